import { randomUUID } from 'node:crypto';
import { Type } from 'typebox';
import type { Identity } from '../../shared/auth/identity.ts';
import type { CloseReason } from '../../shared/connections/index.ts';
import { uuidPattern } from '../../shared/ids.ts';
import { mayFollow } from '../../shared/trips/status.ts';
import { type Route, route } from '../http/route.ts';
import { EventStream } from '../live/event-stream.ts';
import { LiveTrip } from '../live/live-trip.ts';
import type { OpenStreams } from '../live/open-streams.ts';
import { TripFollowers } from '../live/trip-followers.ts';
import { tripNotFound } from '../middleware/trip.ts';
import type { ApiOptions } from '../options.ts';
import { tripParams } from '../schemas/parameters.ts';

type Options = Pick<
  ApiOptions,
  'emitter' | 'followStates' | 'onGap' | 'locationSnapshot' | 'connectionLog' | 'log'
>;

/** Following a trip over HTTP, where WebSockets are blocked. */
export function tripLiveRoute(options: Options, streams: OpenStreams): Route {
  const { followStates, locationSnapshot, connectionLog } = options;
  const followers = new TripFollowers(options);

  async function stateFor(identity: Identity, tripId: string) {
    const [state] = uuidPattern.test(tripId) ? await followStates.find([tripId]) : [];
    if (state === undefined || !mayFollow(identity, state)) throw tripNotFound();
    return state;
  }

  return route({
    method: 'get',
    path: '/v1/trips/{tripId}/live',
    operationId: 'followTrip',
    tag: 'Trips',
    summary: 'Follow a trip, live',
    description:
      'Server-sent events: `status` (its id is the version) and `location`, as on `trips/{tripId}/status` and `trips/{tripId}/location`. What is known comes first; with `Last-Event-ID`, every status since. Ends with the trip, and with the token.',
    access: 'bearer',
    params: tripParams,
    headers: Type.Object({
      'Last-Event-ID': Type.Optional(
        Type.String({ pattern: '^[0-9]{1,9}$', description: 'the version of the last status that was seen' }),
      ),
    }),
    success: {
      status: 200,
      description: 'Events',
      content: [
        {
          mediaType: 'text/event-stream',
          example: 'event: status\nid: 3\ndata: {"status":"EN_ROUTE","version":3}\n\n',
        },
      ],
    },
    errors: ['TRIP_NOT_FOUND'],
    async handle({ params: { tripId }, identity, request, response }) {
      await stateFor(identity, tripId);
      // It went away while it was looked up: its `close` has been, and what is opened now nothing would ever close
      if (response.destroyed) return undefined;
      const stream = new EventStream(response);
      // HEAD wants to know what GET would begin with; there is no body that could end
      if (request.method === 'HEAD') return void stream.end();
      const connectionId = randomUUID();
      connectionLog.opened({
        id: connectionId,
        sub: identity.sub,
        role: identity.role,
        clientId: `trips/${tripId}/live`,
        transport: 'SSE',
        remoteAddress: request.ip,
        openedAt: Date.now(),
      });
      let reason: CloseReason = 'LOST';
      const close = (why: CloseReason) => {
        reason = why;
        stream.end();
      };
      const live = new LiveTrip(stream, identity, {
        snapshot: (driverId) => locationSnapshot(driverId, tripId),
        end: () => close('TRIP_ENDED'),
        onGap: () => followers.closeGap(tripId),
      });
      const unfollow = followers.add(tripId, live);
      const forget = streams.add({ id: connectionId, identity, close });
      response.once('close', () => {
        unfollow();
        forget();
        stream.end();
        connectionLog.closed(connectionId, Date.now(), reason);
      });
      // Again, now that nothing that comes can be missed
      const state = await stateFor(identity, tripId);
      const last = /^\d{1,9}$/.exec(request.get('Last-Event-ID') ?? '')?.[0];
      const messages =
        last === undefined
          ? state.messages.slice(-1)
          : await followStates.since([{ tripId, version: Number(last) }]);
      live.start(state, messages);
      return undefined;
    },
  });
}
