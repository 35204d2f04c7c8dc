import type { RequestHandler } from 'express';
import helmet from 'helmet';

const nothing = {
  defaultSrc: ["'none'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
};

/** Of an answer that is no page: should a browser show it, it loads and runs nothing. */
export const noContent = { useDefaults: false, directives: nothing };

export type PageSources = {
  /** Hashes (`sha256-…`) of styles that a script of the page puts in. */
  styleHashes?: readonly string[];
  /** Its script makes a worker of a text that it has. */
  blobWorkers?: boolean;
};

/** Of a page: files from here alone, and nothing inline but styles that are known word by word. */
export function pagePolicy({ styleHashes = [], blobWorkers = false }: PageSources = {}): RequestHandler {
  return helmet.contentSecurityPolicy({
    useDefaults: false,
    directives: {
      ...nothing,
      scriptSrc: ["'self'"],
      styleSrc: ["'self'", ...styleHashes.map((hash) => `'${hash}'`)],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'"],
      connectSrc: ["'self'"],
      ...(blobWorkers ? { workerSrc: ['blob:'] } : {}),
    },
  });
}
