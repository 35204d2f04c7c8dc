import { randomUUID } from 'node:crypto';
import type { Request, Response, Router } from 'express';
import { NoSigningKeyError, type TokenSigner } from '../../shared/auth/sign.ts';
import type { Queries } from '../../shared/database/index.ts';
import { hasEnded } from '../../shared/trips/status.ts';
import { identityOf } from '../middleware/authenticate.ts';
import { tripFor } from '../middleware/trip.ts';
import { refuse } from '../problem.ts';

export type TripShareOptions = { queries: Queries; signer: TokenSigner; publicUrl: string };

/** The link ends with its trip; this is for a trip that nobody ever ends. */
const TTL_SECONDS = 24 * 3600;

/** A link with which anybody may follow one trip. The token is in the fragment, which no server gets to see. */
export function tripShare(router: Router, { queries, signer, publicUrl }: TripShareOptions): void {
  router.post('/trips/:tripId/share', async (request: Request<{ tripId: string }>, response: Response) => {
    const { trip, party } = await tripFor(queries, identityOf(request), request.params.tripId);
    if (party === 'driver')
      throw refuse({ code: 'FORBIDDEN', message: 'only the RIDER, an OPERATOR or SERVICE may share a trip' });
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
      response.status(201).json({ token, url: `${publicUrl}/track#${token}`, expiresAt });
    } catch (error) {
      if (!(error instanceof NoSigningKeyError)) throw error;
      throw refuse({ code: 'SHARING_UNAVAILABLE', message: error.message });
    }
  });
}
