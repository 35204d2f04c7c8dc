import { DockerfileParser, type Instruction, ModifiableInstruction } from 'dockerfile-ast';
import { read } from './files.ts';

export type Step = {
  /** COPY, RUN, … in capitals. */
  keyword: string;
  /** `--from=build`: { from: 'build' }. */
  flags: Record<string, string>;
  /** Of the exec form its words, else one text. */
  words: string[];
};

export type Stage = { name: string | undefined; image: string; steps: Step[] };

const flagsOf = (instruction: Instruction): Record<string, string> =>
  instruction instanceof ModifiableInstruction
    ? Object.fromEntries(instruction.getFlags().map((flag) => [flag.getName(), flag.getValue() ?? '']))
    : {};

function execForm(text: string): string[] | undefined {
  const start = text.indexOf('[');
  return start === -1 ? undefined : (JSON.parse(text.slice(start)) as string[]);
}

function stepOf(instruction: Instruction): Step {
  const keyword = instruction.getKeyword();
  const text = instruction.getArgumentsContent() ?? '';
  const flags = flagsOf(instruction);
  const words = instruction.getArguments().map((argument) => argument.getValue());
  if (keyword === 'CMD' || keyword === 'HEALTHCHECK')
    return { keyword, flags, words: execForm(text) ?? words };
  return { keyword, flags, words: keyword === 'RUN' ? [text] : words };
}

/** deploy/Dockerfile by its stages, with the defaults of its global ARGs put in. */
export function readDockerfile(): Stage[] {
  const args = new Map<string, string>();
  const stages: Stage[] = [];
  for (const instruction of DockerfileParser.parse(read('deploy/Dockerfile')).getInstructions()) {
    const step = stepOf(instruction);
    if (step.keyword === 'FROM') {
      const [image = '', , name] = step.words;
      const resolved = image.replace(/\$\{(\w+)\}/g, (_whole, arg: string) => args.get(arg) ?? '');
      stages.push({ name, image: resolved, steps: [] });
    } else if (stages.length === 0 && step.keyword === 'ARG') {
      const [name = '', value = ''] = step.words[0]?.split('=') ?? [];
      args.set(name, value);
    } else stages.at(-1)?.steps.push(step);
  }
  return stages;
}

/** `A=1 B=2`, of every ENV of a stage. */
export const environmentOf = ({ steps }: Stage): Record<string, string> =>
  Object.fromEntries(
    steps
      .filter(({ keyword }) => keyword === 'ENV')
      .flatMap(({ words }) => words.map((word) => word.split('=') as [string, string])),
  );
