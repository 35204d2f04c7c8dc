import type { Request } from 'express';
import { Type } from 'typebox';
import type { DeviceMessage } from '../../shared/devices/message.ts';
import { readOsmAnd } from '../../shared/devices/osmand.ts';
import { readTraccarJson, traccarSchema } from '../../shared/devices/traccar-json.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import { parseJson } from '../../shared/json.ts';
import { invalidBody } from '../body.ts';
import { deviceAccess, takeFromDevice, tokenParams } from '../http/device-door.ts';
import { type Method, type Route, route } from '../http/route.ts';
import { MAX_BODY } from '../middleware/json-body.ts';
import type { ApiOptions } from '../options.ts';

const DOOR = '/osmand';

/** As Traccar answers: 400 for an id or a number that is none, which somebody has to set right. */
const answered: ReadonlySet<ErrorCode> = new Set(['INVALID_PAYLOAD']);

const text = (description: string) => Type.Optional(Type.String({ description }));

const parameters = Type.Object({
  id: text('who it is, for the token of a SERVICE; also `deviceid`'),
  deviceid: text('the same'),
  lat: text('degrees'),
  lon: text('degrees'),
  location: text('`lat,lon`, in place of the two'),
  timestamp: text(
    'epoch seconds, or milliseconds from 2147483647 on; or ISO 8601; or `yyyy-MM-dd HH:mm:ss` in UTC; by default now',
  ),
  speed: text('knots'),
  bearing: text('degrees clockwise from north; also `heading`'),
  heading: text('the same'),
  altitude: text('metres'),
  accuracy: text('metres'),
  batt: text('percent'),
  valid: text('`true` or `1`; a position that is not valid is left alone'),
});

const example = {
  device_id: 'driver-1',
  location: {
    timestamp: '2026-11-23T17:30:00.000Z',
    coords: { latitude: 37.7749, longitude: -122.4194, accuracy: 5, speed: 12.5, heading: 90, altitude: 10 },
    is_moving: true,
    odometer: 120,
    event: 'motionchange',
    battery: { level: 0.8, is_charging: false },
    activity: { type: 'in_vehicle' },
    extras: {},
  },
};

/** A body is JSON (Traccar Client 9 and newer) or a form; what stands in the query wins over the form. */
function readMessage(request: Request, query: object, body: string): DeviceMessage {
  if (!request.is('application/json') && !body.trimStart().startsWith('{'))
    return readOsmAnd({ ...Object.fromEntries(new URLSearchParams(body)), ...query });
  const value = parseJson(body);
  if (value === undefined) throw invalidBody([{ path: '', message: 'must be well-formed JSON' }]);
  return readTraccarJson(value);
}

/** The OsmAnd protocol and what Traccar Client has made of it. */
export function osmAndRoutes(options: ApiOptions): Route[] {
  const door = (method: Method, path: string, operationId: string, params?: typeof tokenParams) =>
    route({
      method,
      path,
      operationId,
      tag: 'Devices',
      summary: 'OsmAnd protocol, Traccar Client',
      description:
        'One position of the user of the token, as parameters of the query or of a form, or as the JSON of Traccar Client 9 and newer. 400 for an id or a number that is none. What else can not be kept, and would not be when it is sent again, is answered with 200 and reported on `drivers/{driverId}/errors`.',
      access: 'device',
      ...(params === undefined ? {} : { params }),
      query: parameters,
      ...(method === 'get'
        ? {}
        : {
            body: {
              schema: traccarSchema,
              maxBytes: MAX_BODY,
              example,
              asText: true,
              optional: true,
              forms: [
                {
                  mediaType: 'application/x-www-form-urlencoded',
                  schema: parameters,
                  example: { lat: '37.7749', lon: '-122.4194', timestamp: '1795455000', speed: '24.3' },
                },
              ],
            },
          }),
      success: { status: 200, description: 'Taken' },
      errors: ['INVALID_PAYLOAD'],
      authorize: deviceAccess,
      async handle({ identity, query, body, request }) {
        const message = readMessage(request, query, typeof body === 'string' ? body : '');
        await takeFromDevice(options, {
          identity,
          message,
          door: DOOR,
          answered,
          request,
        });
      },
    });
  return (['get', 'post'] as const).flatMap((method) => [
    door(method, DOOR, `${method}OsmAnd`),
    door(method, `${DOOR}/{token}`, `${method}OsmAndByUrl`, tokenParams),
  ]);
}
