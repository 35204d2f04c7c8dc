import type { WritePositions } from '../../position-log/group-commit.ts';
import type { Step, Traces } from './index.ts';

/*
 * The steps of a position, by the semantic conventions for messaging and for databases:
 *
 *   publish drivers/{driverId}/location   (or an HTTP request)   from its receipt to its acknowledgement
 *   ├─ append position-log                                       until it is durable
 *   │  └─ commit position-log                                    in the process that writes it
 *   │     └─ BATCH INSERT location_history                       one for the whole batch, linked with all of its positions
 *   └─ send drivers/{driverId}/location   (trips/{tripId}/…)     until it was handed to the subscribers of this process
 */

const LOG = 'position-log';

/** A PUBLISH of a client. `template`: of its topic. */
export const startPublish = (
  traces: Traces,
  template: string,
  { qos, bytes, connectionId }: { qos: number; bytes: number; connectionId: string },
): Step | undefined =>
  traces.start(`publish ${template}`, {
    kind: 'server',
    attributes: {
      'messaging.system': 'mqtt',
      'messaging.operation.name': 'publish',
      'messaging.destination.template': template,
      'messaging.message.body.size': bytes,
      'network.protocol.name': 'mqtt',
      'network.protocol.version': '3.1.1',
      'fleetcast.mqtt.qos': qos,
      'fleetcast.connection_id': connectionId,
    },
  });

export const startAppend = (traces: Traces, parent: string, positions: number): Step | undefined =>
  traces.start(`append ${LOG}`, {
    kind: 'producer',
    parent,
    attributes: {
      'messaging.system': 'fleetcast',
      'messaging.operation.name': 'append',
      'messaging.operation.type': 'send',
      'messaging.destination.name': LOG,
      'messaging.batch.message_count': positions,
    },
  });

/** To subscribers: those of other processes get it from there without being seen here. */
export const startSend = (traces: Traces, parent: string, isOnTrip: boolean): Step | undefined => {
  const template = isOnTrip ? 'trips/{tripId}/location' : 'drivers/{driverId}/location';
  return traces.start(`send ${template}`, {
    kind: 'producer',
    parent,
    attributes: {
      'messaging.system': 'mqtt',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.template': template,
    },
  });
};

const startCommit = (traces: Traces, parent: string): Step | undefined =>
  traces.start(`commit ${LOG}`, {
    kind: 'consumer',
    parent,
    attributes: {
      'messaging.system': 'fleetcast',
      'messaging.operation.name': 'commit',
      'messaging.operation.type': 'process',
      'messaging.destination.name': LOG,
    },
  });

const startBatch = (
  traces: Traces,
  parent: string | undefined,
  links: readonly string[],
  positions: number,
): Step | undefined =>
  traces.start('BATCH INSERT location_history', {
    kind: 'client',
    parent,
    links,
    attributes: {
      'db.system.name': 'postgresql',
      'db.operation.name': 'BATCH INSERT',
      'db.collection.name': 'location_history',
      'db.operation.batch.size': positions,
    },
  });

const codeOf = (error: unknown) =>
  String((error as { code?: unknown } | null)?.code ?? (error instanceof Error ? error.name : 'failed'));

/** The same, with a step for each try of each position that is traced, and one for its batch. */
export function traceCommits(write: WritePositions, traces: Traces | undefined): WritePositions {
  if (traces === undefined) return write;
  return async (positions) => {
    const parents = positions.flatMap(({ trace }) => trace ?? []);
    if (parents.length === 0) return write(positions);
    const commits = parents.flatMap((parent) => startCommit(traces, parent) ?? []);
    const links = commits.map(({ traceparent }) => traceparent);
    const steps = [...commits, ...[startBatch(traces, links[0], links, positions.length) ?? []].flat()];
    try {
      const outcomes = await write(positions);
      for (const step of steps) step.end();
      return outcomes;
    } catch (error) {
      for (const step of steps) step.end(codeOf(error));
      throw error;
    }
  };
}
