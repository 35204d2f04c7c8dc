/** Port: which processes of the deployment are alive. */
export type Liveness = {
  /** Of this process: nobody else has it, nor has this one after a restart. It shows where it runs. */
  readonly processId: string;
  /** Whether there can be other processes at all. */
  readonly hasOthers: boolean;
  /** Of these processes, those that are gone for good. While nobody can know, none. */
  gone(processIds: readonly string[]): Promise<string[]>;
  /** The others may have taken this one for gone: it could not be heard for so long. */
  onReturned(listener: () => void): void;
  stop(): Promise<void>;
};
