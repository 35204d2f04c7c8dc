import { expectData, mapAs, platformAs, type Schemas } from './platform.ts';

/*
 * What a user of the types may get wrong. Nothing of it type-checks: each mistake is reported in the line below its comment, and
 * nothing else is. Never run.
 */

const client = platformAs('');
const ofTrip = { params: { path: { tripId: 'one' } } };
const ofDriver = { params: { path: { driverId: 'one' } } };
const place = { latitude: 48.2, longitude: 16.4 };

// mistake: no such path
await client.GET('/v1/trip/{tripId}', ofTrip);
// mistake: no such method there
await client.PUT('/v1/trips', {});
// mistake: the path's parameter is missing
await client.GET('/v1/trips/{tripId}');
// mistake: a required parameter of the query is missing
await client.GET('/v1/drivers/nearby', { params: { query: { latitude: 48.2 } } });
// mistake: no such status to filter by
await client.GET('/v1/trips', { params: { query: { status: 'DONE' } } });
// mistake: the body is missing
await client.POST('/v1/drivers/{driverId}/location', ofDriver);
// mistake: a number as text
await client.POST('/v1/drivers/{driverId}/location', { ...ofDriver, body: { ...place, latitude: '48.2' } });
// mistake: a booking without a dropoff
await client.POST('/v1/trips', { body: { riderId: 'one', pickup: place } });
// mistake: a status that a driver can not report
await client.PUT('/v1/drivers/{driverId}/status', { ...ofDriver, body: { status: 'ON_TRIP' } });
// mistake: no such status to move to
await client.PATCH('/v1/trips/{tripId}/status', { ...ofTrip, body: { status: 'FINISHED' } });

const answer = await client.GET('/v1/trips/{tripId}', ofTrip);
// mistake: there may be no data
answer.data.status;
// mistake: no such field
expectData(answer).driver;
// mistake: there may be no driver
expectData(answer).driverId.length;
// mistake: a code that this operation never gives
if (answer.error?.code === 'VERSION_CONFLICT') throw new Error('never');

const page = expectData(await client.GET('/v1/drivers/{driverId}/history', ofDriver));
// mistake: a page is no list
page.map(String);
// mistake: there may be no first one
page.items[0].latitude;

const line = await mapAs('').GET('/v1/trips/{tripId}/track', ofTrip);
// mistake: not the kind of GeoJSON that a track is
line.data?.features;

// mistake: a place has two coordinates
export const nowhere: Schemas['Place'] = { latitude: 48.2 };
// mistake: a field that is not known
export const turned: Schemas['Position'] = { ...place, heading: 90 };
