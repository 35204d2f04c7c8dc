import { expect, test } from '@jest/globals';
import type { SessionClient } from '../../broker/session.ts';
import { statusWill } from '../../broker/status-will.ts';
import type { Identity } from '../../shared/auth/identity.ts';

const identity = (role: Identity['role']) => ({ sub: 'bob', role }) as Identity;
const client = (topic: string, payload: string) =>
  ({ _will: { topic, payload: Buffer.from(payload) } }) as SessionClient;

test.each(['ONLINE', 'BUSY', 'OFFLINE'] as const)(
  'the status that a driver leaves as its will: %s',
  (status) => {
    const leaving = client('drivers/bob/status', JSON.stringify({ status }));
    expect(statusWill(leaving, identity('DRIVER'))).toBe(status);
  },
);

test.each([
  ['no will', { _will: null } as SessionClient, 'DRIVER'],
  ['nothing at all', {} as SessionClient, 'DRIVER'],
  ['another topic', client('drivers/bob/location', '{"status":"OFFLINE"}'), 'DRIVER'],
  ['the status of another driver', client('drivers/eve/status', '{"status":"OFFLINE"}'), 'DRIVER'],
  ['no status', client('drivers/bob/status', '{"status":"ON_TRIP"}'), 'DRIVER'],
  ['no JSON', client('drivers/bob/status', '{'), 'DRIVER'],
  ['a rider of the same name', client('drivers/bob/status', '{"status":"OFFLINE"}'), 'RIDER'],
] as const)('is none: %s', (_name, leaving, role) => {
  expect(statusWill(leaving, identity(role))).toBeUndefined();
});
