/*
 * domu image: looks into save files. Nothing is run, and whose kernel it is does not matter.
 */
import { StreamError } from '@port-xen/migration-stream';
import { verifyImage } from '@port-xen/toolstack';
import type { Command } from 'commander';
import pc from 'picocolors';
import { UserError } from '../user-error.ts';
import { diffText } from './diff-text.ts';
import { type DiffSide, imageDiff } from './image-diff.ts';
import { ImageIndex } from './image-index.ts';
import { imageReport } from './image-report.ts';
import { OpenedImage } from './opened-image.ts';
import { findKernel, type SavedKernel } from './saved-kernel.ts';
import { showText } from './show-text.ts';
import { count } from './text-page.ts';

interface Flags {
  readonly json?: boolean;
}

const print = (text: string): void => void process.stdout.write(text);
const printJson = (value: unknown): void => print(`${JSON.stringify(value, null, 2)}\n`);

const withImage = <T>(path: string, use: (image: OpenedImage) => T): T => {
  const image = new OpenedImage(path);
  try {
    return use(image);
  } finally {
    image.close();
  }
};

/** Looks into an image. @throws StreamError for a file that is none */
const look = (image: OpenedImage): DiffSide & { kernel: SavedKernel } => {
  const index = new ImageIndex(image);
  if (index.fault !== undefined && index.xl === undefined && index.records.length === 0) {
    throw index.fault;
  }
  const kernel = findKernel(index);
  return { index, kernel, report: imageReport(image.path, index, kernel) };
};

/** What there is to say of a file that is no image, or cannot be read. */
interface Trouble {
  readonly file: string;
  readonly error: string;
}

/** What is said of a file's image, or why nothing can be: the files after it are looked at whatever is in it. */
const orTrouble = <T>(path: string, use: () => T): T | Trouble => {
  try {
    return use();
  } catch (error) {
    if (error instanceof UserError) return { file: path, error: error.message };
    if (error instanceof StreamError) return { file: path, error: `${path}: ${error.message}` };
    throw error;
  }
};

const complain = ({ error }: Trouble): void => {
  process.stderr.write(`domu: ${error}\n`);
  process.exitCode = 1;
};

const printAll = (reports: readonly unknown[]): void =>
  printJson(reports.length === 1 ? reports[0] : reports);

const show = (paths: readonly string[], { json }: Flags): void => {
  const reports = paths.map((path) =>
    orTrouble(path, () => withImage(path, (image) => look(image).report)),
  );
  if (json) printAll(reports);
  for (const [i, report] of reports.entries()) {
    if ('error' in report) complain(report);
    else {
      if (!json) print(`${i === 0 ? '' : '\n'}${showText(report)}`);
      if (report.fault !== undefined) process.exitCode = 1;
    }
  }
};

const NOTES = {
  'this build': undefined,
  'another build': 'its kernel is another build of ours: domu restore will refuse it',
  'not ours': 'its kernel is not ours: domu restore will refuse it, Xen will not',
};

/** What a restore would say of an image. */
const verdictOf = (image: OpenedImage) => {
  const { refusal, warnings, summary } = verifyImage(image);
  const index = refusal === undefined ? new ImageIndex(image) : undefined;
  const note = index && NOTES[findKernel(index).kind];
  return {
    file: image.path,
    restorable: refusal === undefined,
    ...(refusal && { refusal: refusal.message }),
    warnings,
    notes: note === undefined ? [] : [note],
    ...(summary && index && { kind: summary.kind, maxPfn: summary.maxPfn, pages: index.pages }),
  };
};

const verify = (paths: readonly string[], { json }: Flags): void => {
  const verdicts = paths.map((path) => orTrouble(path, () => withImage(path, verdictOf)));
  if (json) printAll(verdicts);
  for (const verdict of verdicts) {
    if ('error' in verdict) {
      complain(verdict);
      continue;
    }
    const { file, restorable, refusal, warnings, notes, kind, pages } = verdict;
    if (!restorable) process.exitCode = 1;
    if (json) continue;
    if (restorable)
      print(`${file}: ${pc.green('can be restored')}: ${kind}, ${count(pages ?? 0)} pages\n`);
    else print(`${file}: ${pc.red('cannot be restored')}: ${refusal}\n`);
    for (const warning of warnings) print(`${file}: ${pc.yellow('warning')}: ${warning}\n`);
    for (const note of notes) print(`${file}: ${pc.dim('note')}: ${note}\n`);
  }
};

/** As diff(1) and cmp(1) end. */
const DIFFERENT = 1;
const TROUBLE = 2;

const diff = (before: string, after: string, { json }: Flags): void => {
  const opened: OpenedImage[] = [];
  const lookAt = (path: string): ReturnType<typeof look> | Trouble =>
    orTrouble(path, () => {
      const image = new OpenedImage(path);
      opened.push(image);
      return look(image);
    });
  try {
    const [a, b] = [lookAt(before), lookAt(after)];
    if ('error' in a || 'error' in b) {
      const troubles = [a, b].filter((side) => 'error' in side);
      if (json) printAll(troubles);
      for (const trouble of troubles) complain(trouble);
      process.exitCode = TROUBLE;
      return;
    }
    const symbols = a.kernel.buildId === b.kernel.buildId ? a.kernel.symbols : undefined;
    const found = imageDiff(a, b, symbols);
    if (json) printJson(found);
    else print(diffText(found));
    if (!found.same) process.exitCode = DIFFERENT;
  } finally {
    for (const image of opened) image.close();
  }
};

/** Adds `domu image show|verify|diff`. */
export const imageCommand = (program: Command): void => {
  const image = program.command('image').description('look into save files');
  const command = (name: string, description: string): Command =>
    image.command(name).description(description).option('--json', 'print the same as data');
  const what = 'an xl file, or a bare libxl or libxc stream';
  command('show', 'print what is in a file').argument('<file...>', what).action(show);
  command(
    'verify',
    'say whether a restore would take a file; exit status 0, or 1 if it would refuse any',
  )
    .argument('<file...>', what)
    .action(verify);
  command(
    'diff',
    'print how two files differ; exit status 0 when they do not, 1 when they do, 2 when one cannot be read',
  )
    .argument('<file>', what)
    .argument('<other>', what)
    .action(diff);
};
