import type { SessionClient } from './session.ts';

/** They all come back at once, to another broker or to the next one here: no more at a time than a broker lets in without anybody noticing. */
const GROUP = 250;
const PAUSE_MS = 100;
/** For all of them together: what comes after has to fit into the time that a stop may take. */
const MOST_MS = 8000;

type Stoppable = SessionClient & { pause(): void };

/**
 * Lets clients go in small groups, with a pause of uneven length after each; the last group is left, to be let go of with what is
 * drained for it. `prepare` is called for each before it is closed: what it has sent may still be acknowledged in the pause.
 */
export async function letGoInGroups(
  clients: readonly Stoppable[],
  prepare: (client: Stoppable) => void,
): Promise<void> {
  const order = clients.map((client) => ({ client, at: Math.random() })).sort((a, b) => a.at - b.at);
  const groups = Math.ceil(order.length / GROUP) - 1;
  const pause = Math.min(PAUSE_MS, MOST_MS / Math.max(1, groups));
  for (let group = 0; group < groups; group++) {
    const own = order.slice(group * GROUP, (group + 1) * GROUP).map(({ client }) => client);
    for (const client of own) prepare(client);
    await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
    for (const client of own) if (!client.closed) client.close();
  }
}
