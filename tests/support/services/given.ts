import type { Way } from './ways.ts';

/** A server that runs already; it is the user's, so stopping it is not ours. */
export function givenByUrl(variable: string, url: string | undefined): Way {
  return {
    name: variable,
    open: async () => {
      if (!url) return { reason: 'is not set' };
      return { url, description: new URL(url).host, stop: async () => undefined };
    },
  };
}
