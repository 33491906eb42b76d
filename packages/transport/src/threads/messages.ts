import type { MessagePort } from 'node:worker_threads';
import type { ErrorCode } from '@foundation-ts/core';

/** What a node asks of its broker. */
export type BrokerRequest =
  /** `port` 0: any. */
  | { readonly type: 'listen'; readonly id: number; readonly port: number }
  | { readonly type: 'unlisten'; readonly id: number; readonly port: number }
  | { readonly type: 'dial'; readonly id: number; readonly host: string; readonly port: number };

/** What a broker tells a node. */
export type BrokerMessage =
  /** The first: under which name others dial the node. */
  | { readonly type: 'welcome'; readonly name: string }
  | { readonly type: 'listening' | 'unlistened'; readonly id: number; readonly port: number }
  | { readonly type: 'dialled'; readonly id: number; readonly channel: MessagePort }
  | { readonly type: 'failed'; readonly id: number; readonly code: ErrorCode; readonly why: string }
  | { readonly type: 'incoming'; readonly port: number; readonly from: string; readonly channel: MessagePort };

/** What passes between the two ends of a connection. */
export type ChannelMessage =
  /** The listener has taken the connection; its first message. */
  | { readonly type: 'accept' }
  | {
      readonly type: 'frames';
      /** Each is one frame, or several with their lengths in front of them. */
      readonly buffers: readonly ArrayBuffer[];
      readonly packed: readonly boolean[];
    }
  /** So many bytes of frames were taken. */
  | { readonly type: 'taken'; readonly bytes: number }
  /** Nothing comes after it. */
  | { readonly type: 'bye' }
  | { readonly type: 'bye-seen' };
