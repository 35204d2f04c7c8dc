import type { Request, Response } from 'express';
import type { Trip } from '../../shared/trips/trip.ts';

/** A trip measured anew keeps its version: its length is part of the tag. */
export const tripTag = ({ version, distanceMeters }: Trip) => `"${version}-${distanceMeters ?? ''}"`;

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
  const known = (request.headers['if-none-match'] ?? '')
    .split(',')
    .map((entry) => entry.trim().replace(/^W\//, ''));
  if (!known.includes(tag) && !known.includes('*')) return body;
  response.status(304).end();
  return undefined;
}
