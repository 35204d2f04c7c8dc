import { Type } from 'typebox';
import { idSchema, named, orNull, tripIdSchema } from '../../shared/schemas/common.ts';
import { storedPositionSchema } from '../../shared/schemas/outgoing.ts';
import type { Content } from '../http/route.ts';
import { examples } from './examples.ts';

/** RFC 7946 as `formats/geojson.ts` writes it, for the document. */

const positionSchema = Type.Array(Type.Number(), {
  minItems: 2,
  maxItems: 3,
  description: 'longitude, latitude and, where it is known, altitude',
});

const { latitude: _latitude, longitude: _longitude, ...pointProperties } = storedPositionSchema.properties;

/** A Point for each position. */
export const pointsContent: Omit<Content, 'mediaType'> = {
  schema: named(
    'PositionFeatures',
    Type.Object({
      type: Type.Literal('FeatureCollection'),
      features: Type.Array(
        Type.Object({
          type: Type.Literal('Feature'),
          geometry: Type.Object({ type: Type.Literal('Point'), coordinates: positionSchema }),
          properties: Type.Object(pointProperties),
        }),
      ),
    }),
  ),
  example: {
    type: 'FeatureCollection',
    features: [
      {
        type: 'Feature',
        geometry: { type: 'Point', coordinates: [examples.stored.longitude, examples.stored.latitude] },
        properties: {
          driverId: examples.stored.driverId,
          recordedAt: examples.stored.recordedAt,
          receivedAt: examples.stored.receivedAt,
        },
      },
    ],
  },
};

/** One line with a part for each stretch of the track. */
export const lineContent: Omit<Content, 'mediaType'> = {
  schema: named(
    'TrackFeature',
    Type.Object({
      type: Type.Literal('Feature'),
      geometry: Type.Object({
        type: Type.Literal('MultiLineString'),
        coordinates: Type.Array(Type.Array(positionSchema, { minItems: 2 })),
      }),
      properties: Type.Object({
        tripId: tripIdSchema,
        driverId: orNull(idSchema('who drove')),
        distanceMeters: orNull(Type.Number({ minimum: 0 })),
        durationSeconds: orNull(Type.Number({ minimum: 0 })),
      }),
    }),
  ),
  example: {
    type: 'Feature',
    geometry: {
      type: 'MultiLineString',
      coordinates: [
        [
          [-122.4194, 37.7749],
          [-122.4183, 37.7752],
        ],
      ],
    },
    properties: {
      tripId: examples.trip.id,
      driverId: 'driver-1',
      distanceMeters: 102.4,
      durationSeconds: 9,
    },
  },
};
