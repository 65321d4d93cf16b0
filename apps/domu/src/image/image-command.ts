/*
 * domu image: looks into save files. Nothing is run, and whose kernel it is does not matter.
 */
import { verifyImage } from '@port-xen/toolstack';
import type { Command } from 'commander';
import pc from 'picocolors';
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

const show = (paths: readonly string[], { json }: Flags): void => {
  const reports = paths.map((path) => withImage(path, (image) => look(image).report));
  if (json) printJson(reports.length === 1 ? reports[0] : reports);
  else print(reports.map(showText).join('\n'));
  if (reports.some(({ fault }) => fault !== undefined)) process.exitCode = 1;
};

const NOTES = {
  'this build': undefined,
  'another build': 'its kernel is another build of ours: domu restore will refuse it',
  'not ours': 'its kernel is not ours: domu restore will refuse it, Xen will not',
};

const verify = (paths: readonly string[], { json }: Flags): void => {
  const verdicts = paths.map((path) =>
    withImage(path, (image) => {
      const { refusal, warnings, summary } = verifyImage(image);
      const note =
        refusal === undefined ? NOTES[findKernel(new ImageIndex(image)).kind] : undefined;
      return {
        file: path,
        restorable: refusal === undefined,
        ...(refusal && { refusal: refusal.message }),
        warnings,
        notes: note === undefined ? [] : [note],
        ...(summary && { kind: summary.kind, maxPfn: summary.maxPfn, pages: summary.pages }),
      };
    }),
  );
  if (verdicts.some(({ restorable }) => !restorable)) process.exitCode = 1;
  if (json) {
    printJson(verdicts.length === 1 ? verdicts[0] : verdicts);
    return;
  }
  for (const { file, restorable, refusal, warnings, notes, kind, pages } of verdicts) {
    if (restorable)
      print(`${file}: ${pc.green('can be restored')}: ${kind}, ${count(pages ?? 0)} pages\n`);
    else print(`${file}: ${pc.red('cannot be restored')}: ${refusal}\n`);
    for (const warning of warnings) print(`${file}: ${pc.yellow('warning')}: ${warning}\n`);
    for (const note of notes) print(`${file}: ${pc.dim('note')}: ${note}\n`);
  }
};

const diff = (before: string, after: string, { json }: Flags): void =>
  withImage(before, (first) =>
    withImage(after, (second) => {
      const [a, b] = [look(first), look(second)];
      const symbols = a.kernel.buildId === b.kernel.buildId ? a.kernel.symbols : undefined;
      const found = imageDiff(a, b, symbols);
      if (json) printJson(found);
      else print(diffText(found));
      if (!found.same) process.exitCode = 1;
    }),
  );

/** Adds `domu image show|verify|diff`. */
export const imageCommand = (program: Command): void => {
  const image = program.command('image').description('look into save files');
  const command = (name: string, description: string): Command =>
    image.command(name).description(description).option('--json', 'print the same as data');
  const what = 'an xl file, or a bare libxl or libxc stream';
  command('show', 'print what is in a file').argument('<file...>', what).action(show);
  command('verify', 'say whether a restore would take a file; exit status 0 or 1')
    .argument('<file...>', what)
    .action(verify);
  command('diff', 'print how two files differ; exit status 0 when they do not, else 1')
    .argument('<file>', what)
    .argument('<other>', what)
    .action(diff);
};
