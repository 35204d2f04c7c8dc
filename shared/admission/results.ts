import type { ErrorCode, Refusal } from '../errors.ts';
import type { LoggedPosition } from '../position-log/index.ts';

/** undefined everywhere here: not durable (the process is stopping); the sender must not be told that it is. */
export type LiveResult =
  | { verdict: 'accepted' | 'duplicate' | 'INVALID_PAYLOAD'; position: LoggedPosition }
  | { verdict: ErrorCode; refusal: Refusal }
  | undefined;

export type RejectedPosition = { index: number; code: ErrorCode; message: string };

export type BacklogResult =
  | { accepted: number; duplicates: number; rejected: readonly RejectedPosition[] }
  | { refusal: Refusal }
  | undefined;
