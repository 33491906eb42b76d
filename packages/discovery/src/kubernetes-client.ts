import { type IncomingMessage, request as plainRequest, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { type Clock, FoundationError } from '@foundation-ts/core';
import {
  KUBERNETES_ANSWER_TIMEOUT,
  KUBERNETES_MAX_EVENT_BYTES,
  KUBERNETES_MAX_PAGE_BYTES,
  KUBERNETES_MAX_STATUS_BYTES,
  KUBERNETES_PAGE_SIZE,
} from './defaults.js';
import { type KubernetesAccess, readKubernetesAccess } from './kubernetes-access.js';
import { connectionError, type KubernetesRequest, statusError } from './kubernetes-errors.js';
import type { KubernetesSettings } from './kubernetes-settings.js';
import { LineSplitter } from './line-splitter.js';

/** Why a request gave nothing. */
export class KubernetesFailure {
  readonly error: Error;
  /** HTTP's; undefined where there was no answer. */
  readonly status: number | undefined;
  /** ms, as the API asks */
  readonly retryAfter: number | undefined;

  constructor(error: Error, status?: number, retryAfter?: number) {
    this.error = error;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** What a watch brings. */
export interface KubernetesWatchEvents {
  /** The API accepted the watch. */
  opened(): void;
  /** One event, as text. */
  line(text: string): void;
  /** An event too long to be kept. */
  overlong(): void;
}

/** The two requests of list-and-watch, over node:http(s). Its promises reject with {@link KubernetesFailure} alone. */
export class KubernetesClient {
  readonly #settings: KubernetesSettings;
  readonly #clock: Clock;
  #request: KubernetesRequest | undefined;

  constructor(settings: KubernetesSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** One page, as JSON. */
  async list(next: string | undefined, signal: AbortSignal): Promise<unknown> {
    const query = { limit: String(KUBERNETES_PAGE_SIZE), ...(next === undefined ? {} : { continue: next }) };
    return await this.#exchange('list', query, signal, async response =>
      JSON.parse((await this.#read(response, KUBERNETES_MAX_PAGE_BYTES)).toString('utf8')),
    );
  }

  /**
   * Resolves when the stream ended, in order or not.
   * @param timeout - ms after which the API shall end it
   */
  async watch(
    resourceVersion: string,
    timeout: number,
    events: KubernetesWatchEvents,
    signal: AbortSignal,
  ): Promise<void> {
    const seconds = Math.max(1, Math.round(timeout / 1_000));
    const query = {
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(seconds),
    };
    await this.#exchange('watch', query, signal, async response => {
      events.opened();
      const lines = new LineSplitter(KUBERNETES_MAX_EVENT_BYTES, events.line, events.overlong);
      // an API that died without a word: the end is overdue
      const overdue = (): void => void response.destroy();
      const guard = this.#clock.setTimeout(overdue, seconds * 1_000 + KUBERNETES_ANSWER_TIMEOUT, { unref: true });
      await new Promise<void>(resolve => {
        response.on('data', (chunk: Buffer) => {
          if (!signal.aborted) lines.push(chunk);
        });
        // a cut stream is resumed like one that ended: what is wrong then, the next request tells
        response.on('error', () => resolve());
        response.on('close', () => resolve());
      });
      guard.cancel();
    });
  }

  /** The error for an event of type ERROR in the present watch. */
  eventError(code: number, status: unknown): Error {
    return statusError(this.#request as KubernetesRequest, code, status);
  }

  async #exchange<T>(
    verb: 'list' | 'watch',
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
    use: (response: IncomingMessage) => Promise<T>,
  ): Promise<T> {
    const access = await readKubernetesAccess(this.#settings).catch(error => {
      throw new KubernetesFailure(error);
    });
    const request: KubernetesRequest = { verb, resource: this.#settings.resource, access };
    this.#request = request;
    try {
      const response = await this.#send(access, query, signal);
      try {
        if (response.statusCode === 200) return await use(response);
        throw await this.#refusal(request, response);
      } finally {
        response.destroy();
      }
    } catch (error) {
      if (error instanceof KubernetesFailure) throw error;
      throw new KubernetesFailure(connectionError(request, error));
    }
  }

  #send(
    access: KubernetesAccess,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { api, token, ca } = access;
    const options: RequestOptions & { readonly ca?: string; readonly rejectUnauthorized: true } = {
      host: api.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: api.port === '' ? (api.protocol === 'http:' ? 80 : 443) : Number(api.port),
      path: `${api.pathname.replace(/\/$/, '')}${this.#path(access.namespace)}?${new URLSearchParams({ labelSelector: this.#settings.selector, ...query })}`,
      headers: { accept: 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      // a connection of its own, closed with the request: nothing lingers, and a new CA is used at once
      agent: false,
      signal,
      // also where NODE_TLS_REJECT_UNAUTHORIZED says otherwise
      rejectUnauthorized: true,
      ...(ca === undefined ? {} : { ca }),
    };
    return new Promise((resolve, reject) => {
      const request = api.protocol === 'http:' ? plainRequest(options) : tlsRequest(options);
      const silent = (): void => void request.destroy(new Error(`no answer in ${KUBERNETES_ANSWER_TIMEOUT} ms`));
      const timer = this.#clock.setTimeout(silent, KUBERNETES_ANSWER_TIMEOUT, { unref: true });
      request.on('response', response => {
        timer.cancel();
        resolve(response);
      });
      // stays for the request's life: what follows the answer is told by the response
      request.on('error', error => {
        timer.cancel();
        reject(error);
      });
      request.end();
    });
  }

  #path(namespace: string): string {
    const [base, plural] =
      this.#settings.resource === 'pods' ? ['/api/v1', 'pods'] : ['/apis/discovery.k8s.io/v1', 'endpointslices'];
    return namespace === '*' ? `${base}/${plural}` : `${base}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
  }

  async #refusal(request: KubernetesRequest, response: IncomingMessage): Promise<KubernetesFailure> {
    const status = response.statusCode ?? 0;
    const seconds = Number(response.headers['retry-after']);
    // an explanation too long or cut is none; the status counts
    const body = await this.#read(response, KUBERNETES_MAX_STATUS_BYTES).catch(() => Buffer.alloc(0));
    const error = statusError(request, status, body.toString('utf8'));
    return new KubernetesFailure(error, status, seconds > 0 ? seconds * 1_000 : undefined);
  }

  #read(response: IncomingMessage, limit: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      let length = 0;
      const stalled = (): void =>
        void response.destroy(new Error(`silent for ${KUBERNETES_ANSWER_TIMEOUT} ms within its answer`));
      const guard = () => this.#clock.setTimeout(stalled, KUBERNETES_ANSWER_TIMEOUT, { unref: true });
      let timer = guard();
      response.on('data', (chunk: Buffer) => {
        timer.cancel();
        length += chunk.length;
        if (length > limit) {
          const message = `Kubernetes answered with more than ${limit} bytes; narrow the selector.`;
          response.destroy(new FoundationError('too-large', message));
          return;
        }
        parts.push(chunk);
        timer = guard();
      });
      response.on('end', () => resolve(Buffer.concat(parts, length)));
      response.on('error', reject);
      response.on('close', () => {
        timer.cancel();
        reject(new Error('the connection was lost within the answer'));
      });
    });
  }
}
