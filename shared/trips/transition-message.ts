import { Type } from 'typebox';
import type { Refusal } from '../errors.ts';
import { compile, fieldErrors, sentence } from '../schemas/ajv.ts';
import { instantSchema, named, noNul } from '../schemas/common.ts';
import { instantOf, MAX_FUTURE_MS } from '../schemas/time.ts';
import { type TripStatus, tripStatuses } from './status.ts';

/** What is asked of a trip, over MQTT and REST alike. */
export const transitionSchema = named(
  'Transition',
  Type.Object({
    status: Type.Unsafe<TripStatus>({ type: 'string', enum: [...tripStatuses] }),
    at: Type.Optional(instantSchema('when it happened by the device')),
    reason: Type.Optional(Type.String({ maxLength: 500, pattern: noNul })),
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

export function parseTransition(
  payload: unknown,
  receivedAt: number,
): { transition: TransitionMessage } | { refusal: Refusal } {
  if (!validate(payload)) {
    const errors = fieldErrors(validate.errors);
    return { refusal: { code: 'INVALID_PAYLOAD', message: sentence(errors, 'the transition'), errors } };
  }
  const { status, at, reason, version } = payload;
  const reportedAt = at === undefined ? undefined : instantOf(at);
  if (reportedAt !== undefined && reportedAt > receivedAt + MAX_FUTURE_MS) {
    const message = `is more than ${MAX_FUTURE_MS / 1000} s in the future`;
    return { refusal: { code: 'IN_FUTURE', message: `at ${message}`, errors: [{ path: '/at', message }] } };
  }
  return { transition: { status, reason, version, reportedAt } };
}
