import { positionMessage } from '../../shared/messages/positions.ts';
import type { LoggedPosition } from '../../shared/position-log/index.ts';
import type { TrackFormat } from './format.ts';

/** RFC 7946, 3.1.1: longitude, latitude and, where it is known, altitude. */
function coordinates({ longitude, latitude, altitude }: LoggedPosition): number[] {
  return altitude === null ? [longitude, latitude] : [longitude, latitude, altitude];
}

const base = { mediaType: 'application/geo+json; charset=utf-8', extension: 'geojson' } as const;

/** A FeatureCollection with a Point for each position, all that is known of it as its properties. */
export const geojsonPoints: TrackFormat = {
  ...base,
  head: () => '{"type":"FeatureCollection","features":[\n',
  position(position, index) {
    const { latitude: _latitude, longitude: _longitude, ...properties } = positionMessage(position);
    const geometry = { type: 'Point', coordinates: coordinates(position) };
    return `${index === 0 ? '' : ',\n'}${JSON.stringify({ type: 'Feature', geometry, properties })}`;
  },
  tail: () => '\n]}\n',
};

/**
 * One Feature with a MultiLineString: a line for each part of the track. A line that would cross the antimeridian is ended and begun
 * anew (RFC 7946, 3.1.9), and a line needs two positions, so a lone one stands twice.
 */
export function geojsonLine(properties: object): TrackFormat {
  let previous: LoggedPosition | undefined;
  let inLine = 0;
  const closeLine = () =>
    inLine === 1 && previous !== undefined ? `,${JSON.stringify(coordinates(previous))}]` : ']';
  return {
    ...base,
    head: () =>
      `{"type":"Feature","properties":${JSON.stringify(properties)},"geometry":{"type":"MultiLineString","coordinates":[\n`,
    position(position, index) {
      const crosses = previous !== undefined && Math.abs(previous.longitude - position.longitude) > 180;
      const start = index === 0 ? '[' : crosses ? `${closeLine()},\n[` : ',';
      inLine = index === 0 || crosses ? 1 : inLine + 1;
      previous = position;
      return start + JSON.stringify(coordinates(position));
    },
    tail: (count) => `${count === 0 ? '' : closeLine()}\n]}}\n`,
  };
}
