import { LoadClient } from './client.ts';
import { inTurn } from './in-turn.ts';
import { Latencies } from './latencies.ts';
import type { Crowd, CrowdResult } from './plan.ts';

/** Many connections, each of a user of its own with one subscription. */
export class CrowdOfClients {
  private clients: LoadClient[] = [];
  private readonly crowd: Crowd;

  constructor(crowd: Crowd) {
    this.crowd = crowd;
  }

  async connect(concurrency = this.crowd.concurrency): Promise<CrowdResult> {
    const { host, ports, people } = this.crowd;
    const login = new Latencies();
    const begun = performance.now();
    let failed = 0;
    const clients = await inTurn(people, concurrency, async ({ clientId, password, filter }, index) => {
      const from = performance.now();
      try {
        const port = ports[index % ports.length] as number;
        const client = await LoadClient.connect({ host, port, transport: 'TCP' }, clientId, password);
        await client.subscribe(filter, 1);
        login.record(performance.now() - from);
        return client;
      } catch {
        failed++;
        return undefined;
      }
    });
    this.clients = clients.filter((client) => client !== undefined);
    const seconds = (performance.now() - begun) / 1000;
    return { connected: this.clients.length, failed, seconds, login: login.quantiles() };
  }

  /** All lose their connection at once and come back at once. */
  async comeBack(): Promise<CrowdResult> {
    this.end();
    return this.connect(this.crowd.people.length);
  }

  end(): void {
    for (const client of this.clients) client.end();
  }
}
