import { Type } from 'typebox';
import type { DeviceMessage } from '../../shared/devices/message.ts';
import { ownTracksSchema, readOwnTracks } from '../../shared/devices/owntracks.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import { parseJson } from '../../shared/json.ts';
import { invalidBody } from '../body.ts';
import { deviceAccess, takeFromDevice, tokenParams } from '../http/device-door.ts';
import { type Route, route } from '../http/route.ts';
import { MAX_BODY } from '../middleware/json-body.ts';
import type { ApiOptions } from '../options.ts';

const DOOR = '/owntracks';

/** Nothing that its app sent wrong: it would send it for ever. */
const answered: ReadonlySet<ErrorCode> = new Set();

/** The app names its user in a header; a SERVICE's bridge perhaps in the topic alone. */
const named = (message: DeviceMessage, user: string | undefined): DeviceMessage =>
  message.kind === 'position' && user !== undefined ? { ...message, id: user } : message;

/** OwnTracks in HTTP mode: https://owntracks.org/booklet/tech/http/ */
export function ownTracksRoutes(options: ApiOptions): Route[] {
  const door = (path: string, operationId: string, params?: typeof tokenParams) =>
    route({
      method: 'post',
      path,
      operationId,
      tag: 'Devices',
      summary: 'OwnTracks, HTTP mode',
      description:
        'One message of the OwnTracks app. A `location` is a position of the user of the token; other types are acknowledged, and left alone. What can not be kept and would not be when it is sent again is answered with 200 too, and reported on `drivers/{driverId}/errors`. With the token of a SERVICE, the user is that of `X-Limit-U`, or of `topic`.',
      access: 'device',
      ...(params === undefined ? {} : { params }),
      headers: Type.Object({
        'X-Limit-U': Type.Optional(Type.String({ description: 'the user that is set in the app' })),
        'X-Limit-D': Type.Optional(Type.String({ description: 'the device that is set in the app' })),
      }),
      body: {
        schema: ownTracksSchema,
        maxBytes: MAX_BODY,
        example: {
          _type: 'location',
          lat: 48.85833,
          lon: 2.29513,
          tst: 1497508651,
          vel: 61,
          cog: 271,
          acc: 5,
          alt: 167,
          batt: 41,
          tid: 'JJ',
          topic: 'owntracks/driver-1/phone',
        },
        asText: true,
      },
      success: {
        status: 200,
        description: 'Taken. Nothing is ever sent back to the app',
        content: [
          {
            mediaType: 'application/json',
            schema: Type.Array(Type.Object({}), { maxItems: 0 }),
            example: [],
          },
        ],
      },
      errors: [],
      authorize: deviceAccess,
      async handle({ identity, body, request }) {
        const value = parseJson(body as unknown as string);
        if (value === undefined) throw invalidBody([{ path: '', message: 'must be well-formed JSON' }]);
        const message = named(readOwnTracks(value), request.get('x-limit-u'));
        await takeFromDevice(options, {
          identity,
          message,
          door: DOOR,
          answered,
          request,
        });
        return [];
      },
    });
  return [door(DOOR, 'sendOwnTracks'), door(`${DOOR}/{token}`, 'sendOwnTracksByUrl', tokenParams)];
}
