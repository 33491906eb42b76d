import { type AnyDefinition, FoundationError } from '@foundation-ts/core';

/** What a node can start at the request of another: its definitions by name. */
export class Definitions {
  readonly #byName = new Map<string, AnyDefinition>();
  readonly #node: string;

  constructor(node: string, definitions: readonly AnyDefinition[] = []) {
    this.#node = node;
    for (const definition of definitions) this.add(definition);
  }

  /** @throws FoundationError `invalid-option` when another definition has that name */
  add(definition: AnyDefinition): void {
    const known = this.#byName.get(definition.name);
    if (known !== undefined && known !== definition) {
      throw new FoundationError(
        'invalid-option',
        `Two definitions are named '${definition.name}'; names must be unique on a node.`,
      );
    }
    this.#byName.set(definition.name, definition);
  }

  get(name: string): AnyDefinition | undefined {
    return this.#byName.get(name);
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }

  /** @throws FoundationError `unknown-definition`, `invalid-operation` (local-only) */
  forRemote(name: string): AnyDefinition {
    const definition = this.#byName.get(name);
    if (definition === undefined) throw unknownDefinition(name, this.#node, this.names());
    if (definition.program.localOnly) {
      throw new FoundationError(
        'invalid-operation',
        `'${name}' is local-only on node '${this.#node}': other nodes can't start it.`,
      );
    }
    return definition;
  }
}

/** The error for a definition that a node doesn't have: names both and says what to do. */
export function unknownDefinition(name: string, node: string, known: readonly string[]): FoundationError {
  return new FoundationError(
    'unknown-definition',
    `Node '${node}' has no definition '${name}'; it has: ${known.length > 0 ? known.join(', ') : 'none'}. Add it to 'definitions' when that node starts.`,
    { details: { definition: name, node } },
  );
}
