import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import type { Role } from '../../shared/auth/identity.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { token } from '../support/platform.ts';
import { type Answer, expectProblem, wrongFields } from '../support/rest.ts';
import { dropoff, pickup, type TripBody, type TripDesk, tripDesk } from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;
let names = 0;

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
});
afterAll(() => fleet?.stop());

const freshRider = () => `rider-${names++}`;
const trip = (riderId: string, fields: Record<string, unknown> = {}) => ({
  riderId,
  pickup,
  dropoff,
  ...fields,
});

async function book(
  key: string,
  body: unknown,
  [role, sub]: readonly [Role, string] = ['SERVICE', 'booking'],
): Promise<Answer> {
  const response = await fetch(`${fleet.platform.urls.rest}/v1/trips`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await token(role, sub)}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as unknown };
}

async function tripsOf(riderId: string): Promise<string[]> {
  const response = await fetch(`${fleet.platform.urls.rest}/v1/trips?riderId=${riderId}`, {
    headers: { authorization: `Bearer ${await token('SERVICE', 'booking')}` },
  });
  return ((await response.json()) as { items: TripBody[] }).items.map(({ id }) => id);
}

const idOf = ({ status, body }: Answer) => {
  expect({ status, body }).toMatchObject({ status: 201, body: { id: expect.any(String) } });
  return (body as TripBody).id;
};

describe('a booking with an Idempotency-Key', () => {
  test('that is sent again books nothing new, and is answered with its trip as it is now', async () => {
    const rider = freshRider();
    const first = await book('again', trip(rider, { driverId: `d-${rider}` }));
    await desk.move(idOf(first), 'EN_ROUTE');
    const second = await book('again', trip(rider, { driverId: `d-${rider}` }));
    expect(idOf(second)).toBe(idOf(first));
    expect(second.body).toMatchObject({ status: 'EN_ROUTE', version: 2 });
    expect(second.headers.get('location')).toBe(`/v1/trips/${idOf(first)}`);
    expect(await tripsOf(rider)).toHaveLength(1);
  });

  test('that comes ten times at once is booked once', async () => {
    const rider = freshRider();
    const answers = await Promise.all(Array.from({ length: 10 }, () => book('at-once', trip(rider))));
    expect(new Set(answers.map(idOf)).size).toBe(1);
    expect(await tripsOf(rider)).toEqual([idOf(answers[0] as Answer)]);
  });

  test('that comes 100 times at once, its key just over 24 hours old, is booked once more, and all answers are the same', async () => {
    const rider = freshRider();
    const old = idOf(await book('expired-at-once', trip(rider)));
    await age('expired-at-once', '24 hours 1 second');
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => book('expired-at-once', trip(rider))),
    );
    const [{ body, headers }] = answers as [Answer];
    for (const answer of answers) {
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 201, body });
      expect(answer.headers.get('location')).toBe(headers.get('location'));
    }
    expect((await tripsOf(rider)).sort()).toEqual([old, idOf(answers[0] as Answer)].sort());
  });

  test('whose key expires while it is looked at is booked anew', async () => {
    const rider = freshRider();
    const before = idOf(await book('expires', trip(rider)));
    await age('expires', '23 hours');
    // Right after the claim has found the key taken, it is gone: as if another request had swept it just then
    await query(`create function sweep_now() returns trigger language plpgsql as $$ begin
        delete from idempotency_keys where created_at < now() - interval '22 hours'; return null; end $$;
      create trigger sweep_now after insert on idempotency_keys for each statement execute function sweep_now()`);
    try {
      expect(idOf(await book('expires', trip(rider)))).not.toBe(before);
    } finally {
      await query('drop function sweep_now cascade');
    }
    expect(await tripsOf(rider)).toHaveLength(2);
  });

  test('that comes at once with two bodies is booked for one, and refused for the other', async () => {
    const riders = [freshRider(), freshRider()];
    const answers = await Promise.all(riders.map((rider) => book('two-bodies', trip(rider))));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 422]);
    expect((await Promise.all(riders.map(tripsOf))).flat()).toHaveLength(1);
  });

  test('whose key was used for another is 422, and books nothing', async () => {
    const rider = freshRider();
    const first = idOf(await book('other-body', trip(rider)));
    for (const body of [
      trip(rider, { driverId: 'somebody' }),
      trip(rider, { metadata: { seats: 2 } }),
      { ...trip(rider), pickup: { ...pickup, latitude: 48.3 } },
    ])
      expectProblem(await book('other-body', body), 422, 'IDEMPOTENCY_CONFLICT');
    expect(await tripsOf(rider)).toEqual([first]);
  });

  test('that was refused leaves its key free', async () => {
    const rider = freshRider();
    expectProblem(await book('refused', { riderId: rider }), 400, 'INVALID_PAYLOAD');
    expect(await tripsOf(rider)).toEqual([]);
    idOf(await book('refused', trip(rider)));
  });

  test('shares its key with nobody', async () => {
    const riders = [freshRider(), freshRider()];
    const booked = await Promise.all(
      riders.map(async (rider) => idOf(await book('mine', trip(rider), ['RIDER', rider]))),
    );
    expect(new Set(booked).size).toBe(2);
    expect(await Promise.all(riders.map(tripsOf))).toEqual(booked.map((id) => [id]));
  });

  test('may have the key in quotes, as the draft writes it', async () => {
    const rider = freshRider();
    expect(idOf(await book('"quoted"', trip(rider)))).toBe(idOf(await book('quoted', trip(rider))));
  });

  test.each([
    ['empty', ''],
    ['empty in quotes', '""'],
    ['of two words', 'a b'],
    ['of 256 characters', 'k'.repeat(256)],
    ['not ASCII', 'k\u00e9y'],
  ])('whose key is %s is refused', async (_name, key) => {
    const rider = freshRider();
    const problem = expectProblem(await book(key, trip(rider)), 400, 'INVALID_PARAMETER');
    expect(wrongFields(problem)).toEqual(['Idempotency-Key']);
    expect(await tripsOf(rider)).toEqual([]);
  });

  test('is kept 24 hours, and no longer', async () => {
    const rider = freshRider();
    const [kept, gone] = [idOf(await book('kept', trip(rider))), idOf(await book('gone', trip(rider)))];
    await age('kept', '23 hours 59 minutes');
    await age('gone', '24 hours 1 minute');
    expect(idOf(await book('kept', trip(rider)))).toBe(kept);
    expect(idOf(await book('gone', trip(rider)))).not.toBe(gone);
    expect(await tripsOf(rider)).toHaveLength(3);
  });

  test('whose body is nested 20,000 levels deep is refused, wherever that is', async () => {
    const rider = freshRider();
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const whole = JSON.stringify(trip(rider, { metadata: {} }));
    for (const body of [whole.replace('{}', `{"a":${deep}}`), whole.replace(/}$/, `,"unknown":${deep}}`)])
      expectProblem(await book('deep', body), 400, 'INVALID_PAYLOAD');
    expect(await tripsOf(rider)).toEqual([]);
  });
});

async function age(key: string, interval: string): Promise<void> {
  const { rowCount } = await query(
    'update idempotency_keys set created_at = now() - $2::interval where key = $1',
    [key, interval],
  );
  expect(rowCount).toBe(1);
}

async function query(text: string, values: readonly string[] = []): Promise<{ rowCount: number | null }> {
  const client = new Client({ connectionString: fleet.databaseUrl });
  await client.connect();
  try {
    return await client.query(text, values.length === 0 ? undefined : [...values]);
  } finally {
    await client.end();
  }
}
