import { TestEnvironment } from 'jest-environment-node';

/** Node's, that leaves no process of the tests behind. */
export default class extends TestEnvironment {
  override async setup(): Promise<void> {
    await super.setup();
    this.global.testProcesses = new Set();
  }

  override async teardown(): Promise<void> {
    const processes = this.global.testProcesses;
    this.global.testProcesses = undefined;
    for (const child of processes ?? []) child.kill('SIGKILL');
    await super.teardown();
  }
}
