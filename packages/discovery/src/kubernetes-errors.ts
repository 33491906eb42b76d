import { FoundationError } from '@foundation-ts/core';
import type { KubernetesAccess } from './kubernetes-access.js';
import { recordOf, textOf } from './kubernetes-objects.js';

/** What was asked of the API, for messages. */
export interface KubernetesRequest {
  readonly verb: 'list' | 'watch';
  readonly resource: 'pods' | 'endpoint-slices';
  readonly access: KubernetesAccess;
}

const longestMessage = 300;

/**
 * The error for an answer other than 200, or for an event of type ERROR.
 * @param status - HTTP's, or the `code` of the event
 * @param body - a `Status` of the API, as text or read; not trusted to be one
 */
export function statusError(request: KubernetesRequest, status: number, body: unknown): FoundationError {
  const said = explanation(body, request.access.token);
  const text = `Kubernetes answered ${status} to ${describe(request)}${said === '' ? '' : `: ${said}`}.`;
  const details = { status, verb: request.verb, resource: request.resource };
  if (status === 403) return new FoundationError('auth-failed', `${text} ${missingRights(request)}`, { details });
  if (status === 401) {
    const hint = 'The token of the service account is expired or of another cluster.';
    return new FoundationError('auth-failed', `${text} ${hint}`, { details });
  }
  if (status === 404) return new FoundationError('not-found', text, { details });
  return new FoundationError('noconnection', text, { details });
}

/** The error for a request that was not answered. */
export function connectionError(request: KubernetesRequest, cause: unknown): FoundationError {
  if (cause instanceof FoundationError) return cause;
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const where = request.access.api.host;
  const text = `Kubernetes discovery could not ${describe(request)} at ${where}: ${redacted(message, request.access.token)}.`;
  if (/^(CERT_|ERR_TLS_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_SSL_|HOSTNAME_MISMATCH)/.test(code)) {
    const hint = "The API's certificate must be signed by the service account's ca.crt and name that host.";
    return new FoundationError('auth-failed', `${text} ${hint}`, { cause });
  }
  return new FoundationError('noconnection', text, { cause });
}

function describe({ verb, resource, access }: KubernetesRequest): string {
  const what = resource === 'pods' ? 'pods' : 'endpointslices.discovery.k8s.io';
  return `${verb} ${what} ${access.namespace === '*' ? 'in all namespaces' : `in namespace '${access.namespace}'`}`;
}

function missingRights({ resource, access }: KubernetesRequest): string {
  const [group, plural] = resource === 'pods' ? ['', 'pods'] : ['discovery.k8s.io', 'endpointslices'];
  const kind = access.namespace === '*' ? 'ClusterRole' : 'Role';
  const rule = `{ apiGroups: ['${group}'], resources: ['${plural}'], verbs: ['list', 'watch'] }`;
  return `Bind the pod's service account, by a ${kind}Binding, to a ${kind} with the rule ${rule}.`;
}

function explanation(body: unknown, token: string | undefined): string {
  const message = textOf(recordOf(typeof body === 'string' ? parsed(body) : body)?.message) ?? '';
  return redacted(message, token);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // a proxy's page: the status says enough
    return undefined;
  }
}

/** What came from outside, fit for a log: short, one line, and without our token should somebody echo it. */
function redacted(text: string, token: string | undefined): string {
  const bare = token === undefined ? text : text.replaceAll(token, '<token>');
  const line = bare.replaceAll(/[\p{Cc}\p{Cf}\p{Surrogate}]+/gu, ' ').replace(/[.\s]+$/, '');
  return line.length > longestMessage ? `${line.slice(0, longestMessage)}…` : line;
}
