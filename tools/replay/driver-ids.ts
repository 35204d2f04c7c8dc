/** SPEC section 4: an id is `[A-Za-z0-9_-]{1,64}`. */
const MAX_LENGTH = 64;

export const driverIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** The letters of an id that are left of any text: accents go, everything else that may not stand there is `-`. */
function fitting(text: string): string {
  const plain = text.normalize('NFKD').replace(/\p{Mark}/gu, '');
  return plain.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '') || 'track';
}

/**
 * A driver id for every track id, distinct where the track ids are. The prefix is not put before a track id that
 * begins with it already.
 */
export function driverIds(tracks: Iterable<string>, prefix: string): Map<string, string> {
  const ids = new Map<string, string>();
  const taken = new Set<string>();
  for (const track of tracks) {
    const name = fitting(track);
    const wanted = (name.startsWith(prefix) ? name : prefix + name).slice(0, MAX_LENGTH);
    let id = wanted;
    for (let number = 2; taken.has(id); number++)
      id = `${wanted.slice(0, MAX_LENGTH - 1 - String(number).length)}-${number}`;
    taken.add(id);
    ids.set(track, id);
  }
  return ids;
}
