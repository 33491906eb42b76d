import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FoundationError } from '@foundation-ts/core';
import type { KubernetesSettings } from './kubernetes-settings.js';

/** What one request to the API needs. */
export interface KubernetesAccess {
  readonly api: URL;
  /** Undefined over plain http. */
  readonly token: string | undefined;
  readonly ca: string | undefined;
  readonly namespace: string;
}

/**
 * Reads how to reach the API, and as whom. Read anew for each request: the kubelet changes token and CA under way.
 * @throws FoundationError `not-found` where nothing says where the API is or who asks, `auth-failed` for a token that can't be one
 */
export async function readKubernetesAccess(settings: KubernetesSettings): Promise<KubernetesAccess> {
  const api = settings.api ?? clusterApi();
  const plain = api.protocol === 'http:';
  const [token, ca, namespace] = await Promise.all([
    plain ? undefined : read(settings, 'token'),
    plain ? undefined : read(settings, 'ca.crt'),
    settings.namespace ?? (plain ? 'default' : read(settings, 'namespace')),
  ]);
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    const where = join(settings.serviceAccount, 'token');
    throw new FoundationError('auth-failed', `The file '${where}' has no service account token in it.`);
  }
  return { api, token, ca, namespace };
}

async function read({ serviceAccount }: KubernetesSettings, file: string): Promise<string> {
  const path = join(serviceAccount, file);
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    const hint =
      file === 'namespace'
        ? "give the option 'namespace'"
        : "run in a pod with a service account (automountServiceAccountToken), or give the option 'serviceAccount'";
    throw new FoundationError('not-found', `Kubernetes discovery can't read '${path}'; ${hint}.`, { cause });
  }
}

function clusterApi(): URL {
  const host = process.env.KUBERNETES_SERVICE_HOST ?? '';
  const port = process.env.KUBERNETES_SERVICE_PORT ?? '443';
  const text = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (host !== '' && URL.canParse(text)) return new URL(text);
  throw new FoundationError(
    'not-found',
    "Kubernetes discovery doesn't know where the API is: KUBERNETES_SERVICE_HOST is not set, so this is no pod; outside a cluster give the option 'api'.",
  );
}
