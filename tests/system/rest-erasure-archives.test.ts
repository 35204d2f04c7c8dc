import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { archived, archiveFolder } from '../support/archives.ts';
import { type Fleet, position, startFleet } from '../support/fleet.ts';
import { request, token } from '../support/platform.ts';
import { expectProblem } from '../support/rest.ts';
import { type TripDesk, tripDesk } from '../support/trips.ts';

let folder: Awaited<ReturnType<typeof archiveFolder>>;
let fleet: Fleet;
let desk: TripDesk;
let service: string;

beforeAll(async () => {
  folder = await archiveFolder();
  fleet = await startFleet({ ARCHIVE_DIR: folder.path });
  desk = tripDesk(fleet.platform);
  service = await token('SERVICE', 'privacy');
});
afterAll(async () => {
  await fleet?.stop();
  await folder?.remove();
});

const erase = (path: string) => request(fleet.platform, service, 'DELETE', path);
const day = '20260101';

test("a driver's positions are erased from the archived days too", async () => {
  const other = archived(day, 0, { driverId: 'driver-2' });
  await folder.write(day, [archived(day, 0), other]);
  expect((await erase('/v1/drivers/driver-1/history')).status).toBe(204);
  expect(await folder.read(day)).toEqual([other]);
});

test('a trip is erased from them too', async () => {
  const { id } = await desk.bookIn('CANCELLED', {});
  await folder.write(day, [archived(day, 0, { tripId: id })]);
  expect((await erase(`/v1/trips/${id}`)).status).toBe(204);
  expect(await folder.read(day)).toEqual([archived(day, 0)]);
});

test('where one is damaged the answer is no success, all else is erased, and it can be asked for again', async () => {
  const driverId = 'damaged';
  const { id } = await desk.bookIn('COMPLETED', { driverId });
  await request(fleet.platform, service, 'POST', `/v1/drivers/${driverId}/location`, position());
  await folder.write(day, [archived(day, 0, { driverId, tripId: id, latitude: 12.3456789 })]);
  const whole = await folder.bytes(day);
  await writeFile(folder.fileOf(day), whole.subarray(0, -10));
  expectProblem(await erase(`/v1/drivers/${driverId}/history`), 500, 'INTERNAL');
  expectProblem(await erase(`/v1/trips/${id}`), 500, 'INTERNAL');
  expect(await fleet.history(driverId)).toEqual([]);
  expect((await desk.trip(id)).status).toBe('COMPLETED');
  const log = fleet.platform.output.join('\n');
  expect(log).toContain(`location_history_${day}.ndjson.gz`);
  expect(log).not.toContain('12.3456789');

  await writeFile(folder.fileOf(day), whole);
  expect((await erase(`/v1/trips/${id}`)).status).toBe(204);
  expect((await erase(`/v1/drivers/${driverId}/history`)).status).toBe(204);
  expect(await folder.read(day)).toEqual([]);
});
