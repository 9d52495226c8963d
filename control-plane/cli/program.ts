/** The command line of `xl`: commander over the table of verbs. Code of a verb is loaded when the verb is called. */
import { Command, CommanderError } from "commander";
import { VERSION } from "../api/index.js";
import { Exit, toCliError } from "./errors.js";
import { say } from "./output.js";
import { didYouMean } from "./suggest.js";
import { VERB_GROUPS, type Verb } from "./verbs/index.js";

const INTRODUCTION = `An x86-64 hypervisor: boots real, unmodified guests, with Xen's verbs and xl.cfg's syntax.

  xl run --default           Debian's Linux to a shell, here
  xl run guest.cfg           a guest of your own
  xl host --detach           keep a machine running for create, list, ...
  xl help VERB               all about a verb`;

/** Runs one command line (without node and script) and resolves to its exit status. */
export async function runProgram(args: readonly string[]): Promise<number> {
  const result = { status: Exit.OK as number };
  const program = buildProgram((status) => {
    result.status = status;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return result.status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.OK : Exit.USAGE;
    const failure = toCliError(error);
    for (const line of failure.message.split("\n")) say(line);
    return failure.exitStatus;
  }
}

function buildProgram(onStatus: (status: number) => void): Command {
  const program = new Command("xl");
  program
    .description(INTRODUCTION)
    .usage("VERB [options] [arguments]")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help; after a verb, that verb's")
    .helpCommand("help [verb]", "print help of a verb")
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "xl: ")) });
  for (const [title, verbs] of VERB_GROUPS) {
    program.commandsGroup(title);
    for (const verb of verbs) addVerb(program, verb, onStatus);
  }
  const words = VERB_GROUPS.flatMap(([, verbs]) => verbs.map(({ name }) => name));
  program.argument("[verb]").action((verb?: string) => {
    if (verb === undefined) return program.help({ error: true });
    const suggestion = didYouMean(verb, words);
    say(`there is no verb "${verb}"${suggestion === "" ? '; "xl --help" lists them' : suggestion}`);
    onStatus(Exit.USAGE);
  });
  return program;
}

/** `above` are the words before the verb's own. */
function addVerb(program: Command, verb: Verb, onStatus: (status: number) => void, above = "xl"): void {
  const command = program.command(verb.arguments ? `${verb.name} ${verb.arguments}` : verb.name);
  command.summary(verb.summary).description(describe(verb)).helpOption("-h, --help", "print this help");
  if (verb.alias) command.alias(verb.alias);
  for (const { flags, text, parse } of verb.options ?? []) {
    if (parse) command.option(flags, text, parse);
    else command.option(flags, text);
  }
  command.addHelpText("after", () => `\nExamples:\n${formatExamples(verb)}`);
  command.showHelpAfterError(`Try: ${above} ${verb.name} --help`);
  if (verb.verbs) {
    command.helpCommand("help [verb]", "print help of a verb");
    for (const below of verb.verbs) addVerb(command, below, onStatus, `${above} ${verb.name}`);
    command.allowExcessArguments(false);
  }
  command.action(async () => {
    const run = await verb.load();
    onStatus(await run(command.args, command.opts() as never));
  });
}

function describe(verb: Verb): string {
  const sentence = `${verb.summary[0]!.toUpperCase()}${verb.summary.slice(1)}.`;
  return verb.details ? `${sentence}\n\n${verb.details}` : sentence;
}

function formatExamples(verb: Verb): string {
  const width = Math.max(...verb.examples.map(([command]) => command.length));
  return verb.examples
    .map(([command, effect]) => `  xl ${effect ? `${command.padEnd(width)}   ${effect}` : command}\n`)
    .join("");
}
