import { FoundationError, invalidOption, type Log, nearest, type Telemetry } from '@foundation-ts/core';
import type { PeerIdentity, Transport } from '@foundation-ts/transport';
import { MAX_REFUSALS_KEPT } from './defaults.js';

/**
 * What the nodes of a role may do on this one.
 *
 * - `message`: cast, call and offer to its actors, and publish to its subscribers
 * - `spawn`: start its definitions; link with, and end, the actors that it started itself
 * - `exit`: send exit signals to its actors, `kill` included, and link with them
 * - `supervise`: command its supervisors, and take part in the same distributed supervisors: both start and end children
 * - `register`: have names, and facts of the registry, seen here
 * - `observe`: look at its supervisors' children, and what observers show
 */
export type PermittedAction = 'message' | 'spawn' | 'exit' | 'supervise' | 'register' | 'observe';

/** An action, or `spawn` of some definitions only. */
export type Permission = PermittedAction | { readonly spawn: readonly string[] };

/** What the nodes of each role may do on this one; `'*'` is every node, also one without roles. What is not listed is refused. */
export type Permissions = Readonly<Record<string, readonly Permission[]>>;

const actions: readonly PermittedAction[] = ['message', 'spawn', 'exit', 'supervise', 'register', 'observe'];
/** Every node. */
const EVERYONE = '*';

/** What one peer may do. */
interface Grant {
  readonly actions: ReadonlySet<PermittedAction>;
  /** Definitions that it may spawn without the whole action. */
  readonly definitions: ReadonlySet<string>;
}

/**
 * Checks the option `permissions`.
 * @param roles - those that this node claims
 * @throws FoundationError `invalid-option`; `insecure` without mutual TLS
 */
export function checkPermissions(
  given: Permissions | undefined,
  transport: Pick<Transport, 'local' | 'security'>,
  roles: readonly string[],
): Permissions | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalidOption(
      'permissions',
      given,
      "what each role may do, such as { ops: ['spawn', 'exit'], '*': ['message'] }",
    );
  }
  const entries = Object.entries(given).map(([role, list]) => [role, checkList(role, list)] as const);
  if (transport.local !== true && transport.security === undefined) {
    throw new FoundationError(
      'insecure',
      "Option 'permissions' needs mutual TLS (option tls): a shared secret proves that a node belongs to the cluster, but not which one it is or what its roles are, so that every node could claim any of them.",
    );
  }
  const proven = transport.security?.roles();
  const unproven = proven === undefined ? [] : roles.filter(role => !proven.includes(role));
  if (unproven.length > 0) {
    throw invalidOption(
      'roles',
      roles.join(', '),
      `with permissions, the roles that tls.cert proves (${proven?.join(', ') || 'none'}); ${listed(unproven)} would be refused by the others. ${howToProve(unproven).replace(/\.$/, '')}`,
    );
  }
  return Object.fromEntries(entries);
}

function checkList(role: string, given: unknown): readonly Permission[] {
  const option = `permissions.${role}`;
  if (role === '' || /[\s\p{Cc}]/u.test(role))
    throw invalidOption('permissions', role, "the name of a role, or '*' for every node");
  if (!Array.isArray(given)) throw invalidOption(option, given, `a list of ${listed(actions)} or { spawn: […] }`);
  return given.map((permission: unknown, index) => checkPermission(`${option}[${index}]`, permission));
}

function checkPermission(option: string, given: unknown): Permission {
  if (typeof given === 'string') {
    if (actions.includes(given as PermittedAction)) return given as PermittedAction;
    const near = nearest(given, actions);
    throw invalidOption(option, given, `${listed(actions)}${near === undefined ? '' : ` (did you mean '${near}'?)`}`);
  }
  const { spawn, ...others } = (given ?? {}) as { spawn?: unknown };
  if (typeof given !== 'object' || given === null || Object.keys(others).length > 0 || !isNames(spawn)) {
    throw invalidOption(option, given, `${listed(actions)}, or { spawn: [names of definitions] }`);
  }
  return { spawn: [...spawn] };
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every(name => typeof name === 'string' && name !== '');
}

/** Says which peer may do what here, by the roles that its certificate proves. Peers of the same process may do everything. */
export class Permitter {
  readonly #permissions: Permissions;
  readonly #node: string;
  readonly #log: Log;
  readonly #telemetry: Telemetry;
  readonly #grants = new WeakMap<PeerIdentity, Grant>();
  /** Refusals that have been logged. */
  readonly #logged = new Set<string>();

  constructor(
    permissions: Permissions,
    host: { readonly node: string; readonly log: Log; readonly telemetry: Telemetry },
  ) {
    this.#permissions = permissions;
    this.#node = host.node;
    this.#log = host.log;
    this.#telemetry = host.telemetry;
  }

  /** Why a peer that claims these roles is not let in: its certificate does not prove them all. */
  admit(identity: PeerIdentity): FoundationError | undefined {
    const claimed: unknown = (identity.metadata as { readonly roles?: unknown } | null | undefined)?.roles ?? [];
    if (identity.local || !Array.isArray(claimed)) return undefined;
    const unproven = claimed.filter(role => !provenRoles(identity).includes(role as string)).map(String);
    if (unproven.length === 0) return undefined;
    return new FoundationError(
      'auth-failed',
      `Node '${identity.name}' claims the roles ${listed(unproven)}, which its certificate does not prove. ${howToProve(unproven)}`,
      { details: { node: identity.name, roles: unproven } },
    );
  }

  /** Of the roles that are told of a connected member, those that its certificate proves. */
  provenOf(identity: PeerIdentity, told: readonly string[]): readonly string[] {
    if (identity.local) return told;
    const proven = provenRoles(identity);
    return told.every(role => proven.includes(role)) ? told : told.filter(role => proven.includes(role));
  }

  /** @param definition - what is to be spawned */
  allows(identity: PeerIdentity, action: PermittedAction, definition?: string): boolean {
    if (identity.local) return true;
    const grant = this.#grantOf(identity);
    if (grant.actions.has(action)) return true;
    return action === 'spawn' && definition !== undefined && grant.definitions.has(definition);
  }

  /**
   * The error for something that a peer may not do; told to telemetry, and once for each peer and action to the log.
   * @param what - what it wanted, as in "may not …"
   */
  refuse(identity: PeerIdentity, action: PermittedAction, what: string): FoundationError {
    const { name } = identity;
    this.#telemetry.emit('cluster.not-permitted', { count: 1 }, { member: name, action, what });
    if (this.#isNews(`${action} ${name}`)) {
      const { roles } = identity.certificate ?? { roles: [] };
      this.#log.warn(
        { node: this.#node, member: name, action, roles: roles.join(', ') },
        `'${name}' may not ${what}, and was refused. If it should, give '${action}' to one of its roles, or to '*', in this node's permissions`,
      );
    }
    return new FoundationError(
      'not-permitted',
      `Node '${this.#node}' does not let '${name}' ${what}: none of the roles in its certificate has '${action}' in that node's permissions.`,
      { details: { node: this.#node, member: name, action } },
    );
  }

  #isNews(refusal: string): boolean {
    if (this.#logged.has(refusal)) return false;
    if (this.#logged.size >= MAX_REFUSALS_KEPT) this.#logged.clear();
    this.#logged.add(refusal);
    return true;
  }

  #grantOf(identity: PeerIdentity): Grant {
    const known = this.#grants.get(identity);
    if (known !== undefined) return known;
    const given = new Set<PermittedAction>();
    const definitions = new Set<string>();
    // '*' in a certificate is a role like any other, and grants nothing more.
    for (const role of [EVERYONE, ...provenRoles(identity)]) {
      for (const permission of Object.hasOwn(this.#permissions, role) ? (this.#permissions[role] ?? []) : []) {
        if (typeof permission === 'string') given.add(permission);
        else for (const name of permission.spawn) definitions.add(name);
      }
    }
    const grant: Grant = { actions: given, definitions };
    this.#grants.set(identity, grant);
    return grant;
  }
}

function provenRoles(identity: PeerIdentity): readonly string[] {
  return identity.certificate?.roles ?? [];
}

function howToProve(roles: readonly string[]): string {
  return `Issue its certificate with ${roles.map(role => `URI:foundation:role/${encodeURIComponent(role)}`).join(',')} among its subjectAltName, or take the role out of its option 'roles'.`;
}

function listed(names: readonly string[]): string {
  return names.map(name => `'${name}'`).join(', ');
}
