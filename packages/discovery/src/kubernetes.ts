import { KubernetesAgent } from './kubernetes-agent.js';
import { type KubernetesInit, resolveKubernetesInit } from './kubernetes-settings.js';
import type { DiscoveryStrategy } from './strategy.js';

export type { KubernetesInit } from './kubernetes-settings.js';

/**
 * Finds nodes by the Kubernetes API (as libcluster's `Kubernetes` strategy): lists the pods or endpoint slices that a label
 * selects, and watches them from there on. The service account needs the verbs `list` and `watch` on `pods`, or on
 * `endpointslices` of `discovery.k8s.io`, and nothing else.
 *
 * Named are pods with an IP that neither ended nor are being deleted, whether ready or not unless `ready: 'ready'`. A list that
 * succeeds is the truth, also an empty one. A failed request is reported and repeated with growing pauses (0.5 to 30 s, or as
 * the API asks) while the last set stands; where rights are missing the error says which. Token and CA are read from
 * their files for each request, so they may change under way; the API's certificate is always checked. What the API says
 * that can't be understood is ignored, counted in the telemetry event `discovery.kubernetes.dropped` (`count`, by
 * `reason`), and set right by the next list.
 *
 * Nothing is advertised: a node is found by its pod's labels.
 * @throws FoundationError `invalid-option`
 */
export function kubernetes(init: KubernetesInit): DiscoveryStrategy {
  const settings = resolveKubernetesInit(init);
  return {
    name: 'kubernetes',
    async *watch(ctx) {
      const agent = new KubernetesAgent(settings, ctx);
      const aborted = (): void => agent.stop();
      ctx.signal.addEventListener('abort', aborted, { once: true });
      try {
        if (!ctx.signal.aborted) agent.start();
        yield* agent.latest;
      } finally {
        ctx.signal.removeEventListener('abort', aborted);
        agent.stop();
      }
    },
  };
}
