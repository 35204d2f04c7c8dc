import { readFileSync } from 'node:fs';
import { encode } from '../../support/raw-mqtt.ts';

export type Fix = { latitude: number; longitude: number; bearing: number; speed: number; at: number };
export type Track = { driverId: string; tripId: string; fixes: readonly Fix[] };

const START = Date.UTC(2026, 10, 24, 8);
const METRES_PER_DEGREE = 111_320;

/** A number between 0 and 1 that is the same in every run (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const idOf = (random: () => number) => {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
};

const rounded = (value: number, digits: number) => Number(value.toFixed(digits));

/** Cars in a town: they stop, start, and turn at right angles now and then; a position a second. */
export function generatedTracks(vehicles: number, seconds: number): Track[] {
  return Array.from({ length: vehicles }, (_, number) => {
    const random = randomOf(number + 1);
    let [latitude, longitude] = [48.2 + random() / 50, 16.36 + random() / 50];
    let bearing = Math.floor(random() * 360);
    let speed = 0;
    const fixes = Array.from({ length: seconds }, (_, second) => {
      if (random() < 0.05) bearing = (bearing + (random() < 0.5 ? 90 : 270)) % 360;
      const target = random() < 0.15 ? 0 : 13;
      speed = Math.max(0, speed + Math.sign(target - speed) * random() * 2.5);
      const angle = (bearing * Math.PI) / 180;
      latitude += (speed * Math.cos(angle)) / METRES_PER_DEGREE;
      longitude += (speed * Math.sin(angle)) / (METRES_PER_DEGREE * Math.cos((latitude * Math.PI) / 180));
      return {
        latitude: rounded(latitude, 6),
        longitude: rounded(longitude, 6),
        bearing: rounded(bearing + random() * 6, 1) % 360,
        speed: rounded(speed, 2),
        at: START + second * 1000 + Math.floor(random() * 40),
      };
    });
    return { driverId: `driver-${number + 1}`, tripId: idOf(random), fixes };
  });
}

/** Recorded ones: CSV with the columns `track_id, lon, lat, speed (km/h), time`. */
export function recordedTracks(file: string): Track[] {
  const [head = '', ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const columns = head.trim().split(',');
  const byTrack = new Map<string, Fix[]>();
  for (const line of lines) {
    const cells = line.trim().split(',');
    const of = (name: string) => cells[columns.indexOf(name)] ?? '';
    const fixes = byTrack.get(of('track_id')) ?? [];
    const before = fixes.at(-1);
    const [latitude, longitude] = [Number(of('lat')), Number(of('lon'))];
    fixes.push({
      latitude,
      longitude,
      bearing: before === undefined ? 0 : bearingFrom(before, { latitude, longitude }),
      speed: rounded(Number(of('speed')) / 3.6, 2),
      at: START + Date.parse(`${of('time').replace(' ', 'T')}Z`),
    });
    byTrack.set(of('track_id'), fixes);
  }
  const random = randomOf(1);
  return [...byTrack].map(([id, fixes]) => ({ driverId: `driver-${id}`, tripId: idOf(random), fixes }));
}

type Place = { latitude: number; longitude: number };

function bearingFrom(from: Place, to: Place): number {
  const east = (to.longitude - from.longitude) * Math.cos((from.latitude * Math.PI) / 180);
  const angle = (Math.atan2(east, to.latitude - from.latitude) * 180) / Math.PI;
  return rounded((angle + 360) % 360, 1) % 360;
}

const packet = (topic: string, message: object): Buffer => encode.publish(topic, JSON.stringify(message));

/** What a phone measures beside where it is. */
const measured = (fix: Fix, index: number) => ({
  latitude: fix.latitude,
  longitude: fix.longitude,
  bearing: fix.bearing,
  speed: fix.speed,
  accuracy: 3 + (index % 5),
  battery: 90 - Math.floor(index / 60),
  recordedAt: new Date(fix.at).toISOString(),
});

/** As the platform sends it on `drivers/{id}/location`. */
export const driverLocation = ({ driverId, tripId }: Track, fix: Fix, index: number): Buffer =>
  packet(`drivers/${driverId}/location`, {
    driverId,
    ...measured(fix, index),
    receivedAt: new Date(fix.at + 60).toISOString(),
    tripId,
  });

/** As the platform sends it on `trips/{id}/location`. */
export const tripLocation = ({ driverId, tripId }: Track, fix: Fix, index: number): Buffer =>
  packet(`trips/${tripId}/location`, {
    driverId,
    ...measured(fix, index),
    receivedAt: new Date(fix.at + 60).toISOString(),
    tripId,
    eta: { seconds: 600 - index, meters: 6000 - 10 * index, to: 'dropoff' },
  });

/** As the platform sends it on `trips/{id}/status`. */
export const tripStatus = ({ driverId, tripId }: Track, version: number): Buffer =>
  packet(`trips/${tripId}/status`, {
    tripId,
    status: ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'][version % 4],
    previous: ['PENDING', 'EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'][version % 4],
    version: version + 2,
    at: new Date(START + version * 120_000).toISOString(),
    driverId,
  });
