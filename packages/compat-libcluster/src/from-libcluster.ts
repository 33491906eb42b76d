import type { ConnectHook, ListHook } from '@foundation-ts/cluster';
import { FoundationError, stderrLog } from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';
import { type Finding, formatFinding } from './finding.js';
import { makeStrategy } from './keyword.js';
import { Mirror } from './mirror.js';
import { type LibclusterOptions, type Translation, translate } from './translate.js';

/** What {@link fromLibcluster} takes beside the topologies. */
export interface FromLibclusterOptions extends LibclusterOptions {
  /** Told what is not the same here, once each; default: a line each on stderr. */
  readonly report?: (finding: Finding) => void;
}

/** Options of `startNode`. */
export interface FromLibcluster {
  readonly topologies: Readonly<
    Record<string, { readonly strategy: DiscoveryStrategy; readonly connect: ConnectHook; readonly list: ListHook }>
  >;
  readonly name?: string;
  readonly host?: string;
  readonly port?: number;
  readonly secret?: string;
}

/**
 * Makes options of `startNode` from libcluster's topologies: `startNode(fromLibcluster(topologies))` is the switch. What is not the same here is
 * reported; what can't work at all is an error.
 *
 * The node then emits libcluster's telemetry events, on the diagnostics channels `foundation:libcluster.connect_node.ok`, `….error`,
 * `foundation:libcluster.disconnect_node.ok` and `….error`, with `duration` in ms and the metadata `node`, `topology` and `reason`.
 * @param topologies - as `Application.get_env(:libcluster, :topologies)` gives them: an object, or what JSON made of it
 * @throws FoundationError `invalid-option` also for a strategy that there is not
 */
export function fromLibcluster(topologies: unknown, options: FromLibclusterOptions = {}): FromLibcluster {
  const { report = reportToStderr, ...rest } = options;
  const translation = translate(topologies, rest);
  refuseUnknown(translation);
  for (const finding of translation.findings) report(finding);
  const made = translation.topologies.map(topology => {
    const mirror = new Mirror(topology);
    const { connect, list } = mirror;
    return [
      topology.name,
      { strategy: mirror.strategy(makeStrategy(topology.name, topology.strategy)), connect, list },
    ];
  });
  return { topologies: Object.fromEntries(made), ...translation.node };
}

/** A cluster that silently never forms is worse than a node that doesn't start. */
function refuseUnknown({ findings }: Translation): void {
  const unknown = findings.find(({ kind }) => kind === 'unknown');
  if (unknown === undefined) return;
  throw new FoundationError('invalid-option', `Topology '${unknown.topology}': ${unknown.why}`, {
    details: { option: `topologies.${unknown.topology}.strategy` },
  });
}

function reportToStderr(finding: Finding): void {
  const log = stderrLog('warn');
  log.warn({}, `libcluster configuration: ${formatFinding(finding)}`);
}
