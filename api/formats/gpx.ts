import type { LoggedPosition } from '../../shared/position-log/index.ts';
import { iso, type TrackFormat } from './format.ts';

/** Speed and course have no place in GPX 1.1 itself; this extension of Garmin's is the one that programs read. */
const EXTENSION = 'http://www.garmin.com/xmlschemas/TrackPointExtension/v2';

function extensions({ speed, bearing }: LoggedPosition): string {
  if (speed === null && bearing === null) return '';
  const fields =
    (speed === null ? '' : `<gpxtpx:speed>${speed}</gpxtpx:speed>`) +
    (bearing === null ? '' : `<gpxtpx:course>${decimal(bearing)}</gpxtpx:course>`);
  return `<extensions><gpxtpx:TrackPointExtension>${fields}</gpxtpx:TrackPointExtension></extensions>`;
}

/** xsd:decimal knows no exponent (GPX 1.1, latitudeType): 1e-7 is written out, and so is 1e21. */
function decimal(value: number): string {
  if (!/e/i.test(String(value))) return String(value);
  return Number.isInteger(value) ? String(BigInt(value)) : value.toFixed(12);
}

/** GPX 1.1, longitudeType: 180 itself is out, the same meridian is -180. */
const longitudeOf = (value: number) => decimal(value === 180 ? -180 : value);

/** GPX 1.1, one track with one segment. Its schema wants `ele` before `time`. Names are ids: nothing to escape. */
export const gpx = (name: string): TrackFormat => ({
  mediaType: 'application/gpx+xml; charset=utf-8',
  extension: 'gpx',
  head: () =>
    `<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="Fleetcast" xmlns="http://www.topografix.com/GPX/1/1" xmlns:gpxtpx="${EXTENSION}">\n<trk><name>${name}</name><trkseg>\n`,
  position: (position) =>
    `<trkpt lat="${decimal(position.latitude)}" lon="${longitudeOf(position.longitude)}">` +
    (position.altitude === null ? '' : `<ele>${decimal(position.altitude)}</ele>`) +
    `<time>${iso(position.recordedAt)}</time>${extensions(position)}</trkpt>\n`,
  tail: () => '</trkseg></trk>\n</gpx>\n',
});
