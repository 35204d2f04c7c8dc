import type { Identity } from '../shared/auth/identity.ts';
import { parseJson } from '../shared/json.ts';
import { type ReportedStatus, validateDriverStatus } from '../shared/schemas/driver-status.ts';
import { topicFor } from '../shared/topics.ts';
import type { SessionClient } from './session.ts';

/** The status that a driver leaves as its last will, if it does: others see to it should this broker be lost. */
export function statusWill({ _will }: SessionClient, { sub, role }: Identity): ReportedStatus | undefined {
  if (role !== 'DRIVER' || !_will || _will.topic !== topicFor('driverStatus', sub)) return undefined;
  const payload = parseJson(_will.payload);
  return validateDriverStatus(payload) ? payload.status : undefined;
}
