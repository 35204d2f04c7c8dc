import { request as httpRequest } from 'node:http';
import type { Received } from './mqtt-client.ts';
import { type Platform, request, token } from './platform.ts';
import type { Answer } from './rest.ts';

export type DeviceRequest = {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  body?: string;
};

/** What a device sends, header by header: fetch would add a Content-Type of its own. */
export function sendAsDevice(
  platform: Platform,
  { method = 'POST', path, headers = {}, body }: DeviceRequest,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      `${platform.urls.rest}${path}`,
      { method, headers, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('error', reject);
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: response.statusCode ?? 0,
            headers: new Headers(
              Object.entries(response.headers).map(([name, value]): [string, string] => [
                name,
                String(value),
              ]),
            ),
            body: /json/.test(response.headers['content-type'] ?? '') ? JSON.parse(text) : text || undefined,
          });
        });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

export const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** Epoch seconds, as devices write them. */
export const seconds = (epochMs: number) => Math.floor(epochMs / 1000);

/** A location message of OwnTracks: Vienna, now, with whatever a test wants otherwise. */
export const ownTracksLocation = (fields: Record<string, unknown> = {}): string =>
  JSON.stringify({
    _type: 'location',
    lat: 48.2082,
    lon: 16.3738,
    tst: seconds(Date.now()),
    acc: 5,
    tid: 'JJ',
    t: 'u',
    ...fields,
  });

/** Everything else that its app sends. */
export const otherOwnTracksMessages: readonly { level: string; payload: string }[] = [
  { level: '', payload: '{"_type":"lwt","tst":1497508651}' },
  {
    level: '/event',
    payload:
      '{"_type":"transition","event":"enter","desc":"Depot","wtst":1497500000,"tst":1497508651,"lat":1,"lon":2,"acc":9,"tid":"JJ","t":"c"}',
  },
  {
    level: '/waypoint',
    payload: '{"_type":"waypoint","desc":"Depot","lat":1,"lon":2,"rad":50,"tst":1497500000}',
  },
  { level: '/waypoints', payload: '{"_type":"waypoints","waypoints":[]}' },
  { level: '/info', payload: '{"_type":"card","name":"Jane","face":"iVBO"}' },
  { level: '/step', payload: '{"_type":"steps","tst":1497508651,"steps":9}' },
  { level: '/dump', payload: '{"_type":"dump","configuration":{}}' },
  { level: '', payload: '{"_type":"encrypted","data":"c2VjcmV0"}' },
  { level: '', payload: '{"_type":"of next year"}' },
];

/** A query of Traccar Client before its version 9: Vienna, now, 24.3 knots. */
export const osmAndQuery = (): string =>
  `id=485321&timestamp=${seconds(Date.now())}&lat=48.2082&lon=16.3738&speed=24.3&bearing=181.5&altitude=171.0&accuracy=4.5&batt=79.0`;

/** The same place as Traccar Client writes it since then; 12.5 m/s. */
export const traccarJson = (location: object = {}, id = '485321'): string =>
  JSON.stringify({
    device_id: id,
    location: {
      timestamp: new Date().toISOString(),
      coords: {
        latitude: 48.2082,
        longitude: 16.3738,
        speed: 12.5,
        heading: 181.5,
        altitude: 171,
        accuracy: 4.5,
      },
      is_moving: true,
      event: 'motionchange',
      battery: { level: 0.79, is_charging: false },
      activity: { type: 'in_vehicle' },
      extras: {},
      ...location,
    },
  });

/** Where a driver is, through REST. */
export const latestPosition = async (platform: Platform, driverId: string): Promise<Answer> =>
  request(platform, await token('OPERATOR', 'looker'), 'GET', `/v1/drivers/${driverId}/location`);

export const hasSpeed =
  (speed: number) =>
  ({ payload }: Received): boolean =>
    (payload as { speed?: number }).speed === speed;
