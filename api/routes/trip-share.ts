import { randomUUID } from 'node:crypto';
import { Type } from 'typebox';
import { NoSigningKeyError, type TokenSigner } from '../../shared/auth/sign.ts';
import type { Queries } from '../../shared/database/index.ts';
import { named, timeSchema } from '../../shared/schemas/common.ts';
import { hasEnded } from '../../shared/trips/status.ts';
import { type Route, route } from '../http/route.ts';
import { tripFor } from '../middleware/trip.ts';
import { refuse } from '../problem.ts';
import { tripParams } from '../schemas/parameters.ts';

export type TripShareOptions = { queries: Queries; signer: TokenSigner; publicUrl: string };

/** The link ends with its trip; this is for a trip that nobody ever ends. */
const TTL_SECONDS = 24 * 3600;

/** A link with which anybody may follow one trip. The token is in the fragment, which no server gets to see. */
export function tripShareRoute({ queries, signer, publicUrl }: TripShareOptions): Route {
  return route({
    method: 'post',
    path: '/v1/trips/{tripId}/share',
    operationId: 'shareTrip',
    tag: 'Trips',
    summary: 'Share a trip: a link to follow it',
    description:
      'A VIEWER token for this trip, which ends with it. The token is in the fragment of the link: it never reaches a server.',
    access: 'bearer',
    params: tripParams,
    success: {
      status: 201,
      description: 'The link',
      content: [
        {
          mediaType: 'application/json',
          schema: named(
            'ShareLink',
            Type.Object({ token: Type.String(), url: Type.String(), expiresAt: timeSchema }),
          ),
          example: {
            token: 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln',
            url: 'https://fleet.example/track#eyJhbGciOiJIUzI1NiJ9.e30.c2ln',
            expiresAt: '2026-11-24T17:30:00.000Z',
          },
        },
      ],
    },
    errors: ['FORBIDDEN', 'TRIP_NOT_FOUND', 'INVALID_TRANSITION', 'SHARING_UNAVAILABLE'],
    async handle({ params, identity }) {
      const { trip, party } = await tripFor(queries, identity, params.tripId);
      if (party === 'driver')
        throw refuse({
          code: 'FORBIDDEN',
          message: 'only the RIDER, an OPERATOR or SERVICE may share a trip',
        });
      if (hasEnded(trip.status))
        throw refuse({
          code: 'INVALID_TRANSITION',
          message: `the trip is ${trip.status}: there is nothing to follow`,
        });
      const expiresAt = new Date((Math.floor(Date.now() / 1000) + TTL_SECONDS) * 1000).toISOString();
      try {
        const token = signer.sign({
          sub: `viewer-${randomUUID()}`,
          role: 'VIEWER',
          trips: [trip.id],
          ttlSeconds: TTL_SECONDS,
        });
        return { token, url: `${publicUrl}/track#${token}`, expiresAt };
      } catch (error) {
        if (!(error instanceof NoSigningKeyError)) throw error;
        throw refuse({ code: 'SHARING_UNAVAILABLE', message: error.message });
      }
    },
  });
}
