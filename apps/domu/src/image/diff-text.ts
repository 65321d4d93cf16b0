import pc from 'picocolors';
import type { Difference, ImageDiff } from './image-diff.ts';
import { plain } from './names.ts';
import { count, type Row, TextPage } from './text-page.ts';

/** Lines of a section that are told; --json has all. */
const LINES = 40;
const WIDTH = 60;
/** Of what two long texts have in common, so much is told before they part. */
const CONTEXT = 12;

const value = (text: string | undefined, from: number): string => {
  if (text === undefined) return pc.dim('none');
  const rest = plain(from === 0 ? text : `…${text.slice(from)}`);
  return rest.length <= WIDTH ? rest : `${rest.slice(0, WIDTH)}…`;
};

/** Where to begin with two texts so that their difference is seen. */
const startOf = (a = '', b = ''): number => {
  if (Math.max(a.length, b.length) <= WIDTH) return 0;
  let common = 0;
  while (common < a.length && a[common] === b[common]) common++;
  return Math.max(0, common - CONTEXT);
};

const rowOf = ({ path, a, b }: Difference): Row => {
  const from = startOf(a, b);
  return [pc.dim(plain(path)), pc.red(value(a, from)), '→', pc.green(value(b, from))];
};

const addRows = (page: TextPage, rows: readonly Row[]): void => {
  page.rows(rows.slice(0, LINES));
  if (rows.length > LINES)
    page.line(pc.dim(`… ${count(rows.length - LINES)} more; --json has all`));
};

/** Two images' differences for people; sections without one are left out. */
export const diffText = (diff: ImageDiff): string => {
  const page = new TextPage();
  page.section(`${diff.a} → ${diff.b}`);
  if (diff.same) page.line('no difference');
  if (diff.records.length > 0) {
    page.section('Records');
    addRows(page, diff.records.map(rowOf));
  }
  const { same, different, ranges } = diff.pages;
  if (different > 0) {
    page.section('Pages', `${count(different)} differ, ${count(same)} do not`);
    addRows(
      page,
      ranges.map(({ first, last, what, how }) => [
        `pfn 0x${first.toString(16)}${last === first ? '' : ` … 0x${last.toString(16)}`}`,
        last - first + 1,
        how,
        pc.cyan(what),
      ]),
    );
  }
  for (const [name, differences] of Object.entries(diff.sections)) {
    page.section(name);
    addRows(page, differences.map(rowOf));
  }
  return page.toString();
};
