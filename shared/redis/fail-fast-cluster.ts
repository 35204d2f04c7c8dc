import { Cluster, type Command } from 'ioredis';

/**
 * ioredis' client of a Redis Cluster, but a command fails at once while no node of it answers. One for a node that is just being
 * connected to waits for that: with ioredis' own switch (`enableOfflineQueue`) all but the first would fail whenever a node is new.
 */
export class FailFastCluster extends Cluster {
  override sendCommand(command: Command, ...rest: [stream?: never, node?: unknown]): unknown {
    // Connected, it asks its nodes whether they are ready
    const isReadyCheck = this.status === 'connect' && command.name === 'cluster';
    if (this.status === 'ready' || isReadyCheck) return super.sendCommand(command, ...rest);
    command.reject(new Error(`Redis Cluster is not there (${this.status})`));
    return command.promise;
  }
}

/** Calls back when nodes can be used: all of them, or one that was lost, or has taken the place of one. */
export function onNodesReady(cluster: Cluster, listener: () => void): void {
  let hasLost = false;
  cluster.on('ready', listener);
  cluster.on('-node', () => {
    hasLost = true;
  });
  cluster.on('+node', (node) =>
    node.on('ready', () => {
      if (hasLost && cluster.status === 'ready') listener();
    }),
  );
}
