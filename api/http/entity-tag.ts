import type { Request, Response } from 'express';
import type { Trip } from '../../shared/trips/trip.ts';

/** Weak: compressed, the same trip is other bytes. A trip measured anew keeps its version: its length is part of the tag. */
export const tripTag = ({ version, distanceMeters }: Trip) => `W/"${version}-${distanceMeters ?? ''}"`;

/** What a tag is compared by (RFC 9110, 8.8.3.2). */
const opaque = (tag: string) => tag.trim().replace(/^W\//, '');

/**
 * 304 when the client has it already (RFC 9110, 13.1.2). A trip shows where people go: it may be kept by its reader, to be asked for
 * again each time, and by nobody on the way.
 */
export function answerIfChanged(
  request: Request,
  response: Response,
  tag: string,
  body: object,
): object | undefined {
  response.setHeader('ETag', tag);
  response.setHeader('Cache-Control', 'private, no-cache');
  // 304 too says by what the answer differs (RFC 9110, 15.4.5); for 200 it is said where it is compressed
  response.vary('Accept-Encoding');
  const known = (request.headers['if-none-match'] ?? '').split(',').map(opaque);
  if (!known.includes(opaque(tag)) && !known.includes('*')) return body;
  response.status(304).end();
  return undefined;
}
