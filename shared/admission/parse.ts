import type { Refusal } from '../errors.ts';
import { sentence } from '../schemas/ajv.ts';
import { MAX_BACKLOG_POSITIONS, parsePosition, type SubmittedPosition } from '../schemas/position.ts';
import { DAY_MS, MAX_FUTURE_MS } from '../schemas/time.ts';
import type { RejectedPosition } from './results.ts';

/** A position of a message, or why it is refused. */
export function parseLive(
  payload: unknown,
  receivedAt: number,
  retentionDays: number,
): { position: SubmittedPosition } | { refusal: Refusal } {
  const parsed = parsePosition(payload);
  if ('errors' in parsed)
    return {
      refusal: {
        code: 'INVALID_PAYLOAD',
        message: sentence(parsed.errors, 'the position'),
        errors: parsed.errors,
      },
    };
  const refusal = checkTime(parsed.position.recordedAt, receivedAt, retentionDays);
  return refusal === undefined ? parsed : { refusal };
}

function checkTime(
  recordedAt: number | null,
  receivedAt: number,
  retentionDays: number,
): Refusal | undefined {
  if (recordedAt === null) return undefined;
  if (recordedAt > receivedAt + MAX_FUTURE_MS) {
    const message = `is more than ${MAX_FUTURE_MS / 1000} s in the future`;
    return {
      code: 'IN_FUTURE',
      message: `recordedAt ${message}`,
      errors: [{ path: '/recordedAt', message }],
    };
  }
  if (recordedAt < receivedAt - retentionDays * DAY_MS) {
    const message = `is more than ${retentionDays} days old`;
    return { code: 'TOO_OLD', message: `recordedAt ${message}`, errors: [{ path: '/recordedAt', message }] };
  }
  return undefined;
}

export type ParsedBacklog = {
  positions: SubmittedPosition[];
  /** Where each of them stood in the batch. */
  indices: number[];
  rejected: RejectedPosition[];
};

/** A batch: refused as a whole only when it is no batch. */
export function parseBacklog(
  payload: unknown,
  receivedAt: number,
  retentionDays: number,
): ParsedBacklog | { refusal: Refusal } {
  if (!Array.isArray(payload) || payload.length === 0 || payload.length > MAX_BACKLOG_POSITIONS) {
    const message = `must be an array of 1 to ${MAX_BACKLOG_POSITIONS} positions`;
    return {
      refusal: { code: 'INVALID_PAYLOAD', message: `the batch ${message}`, errors: [{ path: '', message }] },
    };
  }
  const batch: ParsedBacklog = { positions: [], indices: [], rejected: [] };
  payload.forEach((item: unknown, index) => {
    const parsed = parseLive(item, receivedAt, retentionDays);
    if ('refusal' in parsed) {
      batch.rejected.push({ index, code: parsed.refusal.code, message: parsed.refusal.message });
    } else {
      batch.positions.push(parsed.position);
      batch.indices.push(index);
    }
  });
  return batch;
}
