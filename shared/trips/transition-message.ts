import { Type } from 'typebox';
import type { Refusal } from '../errors.ts';
import { compile, fieldErrors, sentence } from '../schemas/ajv.ts';
import { named } from '../schemas/common.ts';
import { MAX_FUTURE_MS, parseIsoTime } from '../schemas/time.ts';
import { type TripStatus, tripStatuses } from './status.ts';

/** What is asked of a trip, over MQTT and REST alike. */
export const transitionSchema = named(
  'Transition',
  Type.Object({
    status: Type.Unsafe<TripStatus>({ type: 'string', enum: [...tripStatuses] }),
    at: Type.Optional(
      Type.Unsafe<string | number>({
        type: ['string', 'integer'],
        description: 'when it happened by the device: ISO 8601 with an offset, or epoch milliseconds',
      }),
    ),
    reason: Type.Optional(Type.String({ maxLength: 500 })),
    version: Type.Optional(
      Type.Integer({ minimum: 1, description: 'only if the trip still has this version' }),
    ),
  }),
);

const validate = compile(transitionSchema);

export type TransitionMessage = {
  status: TripStatus;
  reason: string | undefined;
  version: number | undefined;
  /** Epoch ms. */
  reportedAt: number | undefined;
};

const wrong = (path: string, message: string): { refusal: Refusal } => ({
  refusal: { code: 'INVALID_PAYLOAD', message: `${path.slice(1)} ${message}`, errors: [{ path, message }] },
});

export function parseTransition(
  payload: unknown,
  receivedAt: number,
): { transition: TransitionMessage } | { refusal: Refusal } {
  if (!validate(payload)) {
    const errors = fieldErrors(validate.errors);
    return { refusal: { code: 'INVALID_PAYLOAD', message: sentence(errors, 'the transition'), errors } };
  }
  const { status, at, reason, version } = payload;
  const reportedAt = typeof at === 'string' ? parseIsoTime(at) : at;
  if (at !== undefined && (reportedAt === undefined || !Number.isFinite(new Date(reportedAt).getTime())))
    return wrong('/at', 'must be an ISO 8601 time with an offset, or epoch milliseconds');
  if (reportedAt !== undefined && reportedAt > receivedAt + MAX_FUTURE_MS) {
    const message = `is more than ${MAX_FUTURE_MS / 1000} s in the future`;
    return { refusal: { code: 'IN_FUTURE', message: `at ${message}`, errors: [{ path: '/at', message }] } };
  }
  // NUL has no place in PostgreSQL's text
  if (reason?.includes('\0')) return wrong('/reason', 'must not contain NUL');
  return { transition: { status, reason, version, reportedAt } };
}
