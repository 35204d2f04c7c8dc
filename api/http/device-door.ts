import type { Request } from 'express';
import { Type } from 'typebox';
import type { BacklogResult, LiveResult } from '../../shared/admission/index.ts';
import type { Identity } from '../../shared/auth/identity.ts';
import { permissions } from '../../shared/auth/permissions.ts';
import { admitDevicePosition, isQueued } from '../../shared/devices/admit.ts';
import type { DeviceMessage } from '../../shared/devices/message.ts';
import type { ErrorCode, Refusal } from '../../shared/errors.ts';
import { idPattern } from '../../shared/ids.ts';
import { reportRefusal } from '../../shared/messages/errors.ts';
import { requestIdOf } from '../middleware/request-id.ts';
import { traceOf } from '../middleware/trace-requests.ts';
import type { ApiOptions } from '../options.ts';
import { refuse } from '../problem.ts';

/** The token as the path's last part. */
export const tokenParams = Type.Object({ token: Type.String({ description: 'the token' }) });

/** Whoever writes for a driver. */
export function deviceAccess(identity: Identity): void {
  if (permissions.writeDriver(identity, identity.sub) !== 'granted')
    throw refuse({ code: 'FORBIDDEN', message: 'only a DRIVER or a SERVICE may send positions' });
}

/** Whose position it is: that of the token's own DRIVER, whatever its app calls itself; a SERVICE speaks for whom it names. */
function driverOf(identity: Identity, named: unknown): string {
  if (identity.role === 'DRIVER') return identity.sub;
  if (typeof named === 'string' && idPattern.test(named)) return named;
  const message = 'must be the id of a driver, as the token is that of a SERVICE';
  throw refuse({ code: 'INVALID_PAYLOAD', message: `id ${message}`, errors: [{ path: '/id', message }] });
}

/** Why a position was not kept; undefined: it was. */
function refusalOf(result: LiveResult | BacklogResult): Refusal | undefined {
  if (result === undefined)
    return { code: 'OVERLOADED', message: 'the server is stopping; send it again', retryAfterMs: 1000 };
  if ('refusal' in result) return result.refusal;
  if ('rejected' in result) return result.rejected[0];
  if (result.verdict === 'INVALID_PAYLOAD')
    return { code: 'INVALID_PAYLOAD', message: 'the position can not be stored' };
  return undefined;
}

/** `again`: it may well be kept when it is sent again, later. */
type Failure = { refusal: Refusal; again: boolean };

async function admit(
  admission: ApiOptions['admission'],
  identity: Identity,
  message: DeviceMessage,
  trace: string | undefined,
): Promise<Failure | undefined> {
  if (message.kind === 'other') return undefined;
  if (message.kind === 'malformed') {
    const { problem } = message;
    const errors = [{ path: '', message: problem }];
    return { refusal: { code: 'INVALID_PAYLOAD', message: `the message ${problem}`, errors }, again: false };
  }
  const { position, id } = message;
  const driverId = driverOf(identity, id);
  const receivedAt = Date.now();
  const refusal = await new Promise<Refusal | undefined>((resolve) =>
    admitDevicePosition(
      admission,
      driverId,
      position,
      receivedAt,
      (result) => resolve(refusalOf(result)),
      trace,
    ),
  );
  if (refusal === undefined) return undefined;
  const { code } = refusal;
  return {
    refusal,
    again: code === 'OVERLOADED' || (code === 'RATE_LIMITED' && isQueued(position, receivedAt)),
  };
}

type Sent = {
  identity: Identity;
  message: DeviceMessage;
  /** The path, for reports. */
  door: string;
  /** What somebody has to set right in the app, and so is to see there. */
  answered: ReadonlySet<ErrorCode>;
  request: Request;
};

/**
 * Takes what a device sent. To its app every answer but a success means "later": it sends the same again, and nothing newer before. So an
 * error is only what may pass (the platform can't keep it now, the budget of a backlog is used up), or what is to be `answered`. What else
 * was not kept is done with, and reported on the sender's errors topic, as over MQTT.
 */
export async function takeFromDevice(
  { admission, publisher, log }: Pick<ApiOptions, 'admission' | 'publisher' | 'log'>,
  { identity, message, door, answered, request }: Sent,
): Promise<void> {
  const failure = await admit(admission, identity, message, traceOf(request));
  if (failure === undefined) return;
  const { refusal, again } = failure;
  if (again || answered.has(refusal.code)) throw refuse(refusal);
  reportRefusal(publisher, identity, door, refusal).catch((error: unknown) =>
    log.warn(
      { err: error, requestId: requestIdOf(request), sub: identity.sub },
      'a refusal could not be reported',
    ),
  );
}
