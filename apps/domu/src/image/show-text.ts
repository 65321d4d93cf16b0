/*
 * An image report for people: the file first, then what it is made of, then what the guest was doing.
 */
import pc from 'picocolors';
import { flatJson } from './flat-json.ts';
import type { ImageReport } from './image-report.ts';
import { plain } from './names.ts';
import { showGuest } from './show-guest.ts';
import { showKernel } from './show-kernel.ts';
import { count, type Row, TextPage } from './text-page.ts';

const MIB = 2 ** 20;
const PAGE = 4096;
const KINDS = {
  xl: 'xl save file: xl, libxl and libxc',
  libxl: 'bare libxl stream, without xl header and configuration',
  libxc: 'bare libxc stream',
};
/** Neighbouring PAGE_DATA records beyond so many are told as one line. */
const ALIKE = 3;

/** A configuration's leaves, one a line. */
const configRows = (value: unknown): Row[] =>
  Array.from(flatJson(value), ([path, leaf]) => [
    pc.dim(plain(path)),
    typeof leaf === 'string' ? plain(leaf) : JSON.stringify(leaf),
  ]);

const recordRows = (records: ImageReport['records']): Row[] => {
  const rows: Row[] = [];
  for (let i = 0; i < records.length; ) {
    let run = 1;
    while (records[i]?.pages !== undefined && records[i + run]?.pages !== undefined) run++;
    for (let j = 0; j < run; j++) {
      const hidden = run - 2 * ALIKE + 1;
      if (j === ALIKE - 1 && hidden > 1) {
        rows.push(['', '', pc.dim(`… ${hidden} more PAGE_DATA`)]);
        j += hidden - 1;
        continue;
      }
      const { offset, length, name, layer, pages, vcpu } = records[i + j] as (typeof records)[0];
      const about =
        pages !== undefined
          ? `pfns 0x${pages.first.toString(16)} … 0x${pages.last.toString(16)}: ${count(pages.count)}, ${count(pages.data)} with data`
          : vcpu !== undefined
            ? `vcpu ${vcpu}`
            : layer === 'libxl'
              ? 'libxl'
              : '';
      rows.push([offset, length, name, pc.dim(about)]);
    }
    i += run;
  }
  return rows;
};

const showFile = (page: TextPage, report: ImageReport): void => {
  const { file, size, kind, imageSize, streamVersion, xen } = report;
  page.section(file, `${count(size)} bytes`);
  page.line(KINDS[kind]);
  if (streamVersion !== undefined && xen !== undefined) {
    const from = xen.startsWith('0.') ? 'converted from an older format' : `from Xen ${xen}`;
    page.line(`stream version ${streamVersion}, ${from}`);
  }
  if (imageSize < size && report.fault === undefined) {
    page.line(`${count(size - imageSize)} bytes follow that are not the image's`);
  }
  if (report.fault !== undefined) page.line(pc.red(report.fault));
};

/** The whole report. */
export const showText = (report: ImageReport): string => {
  const page = new TextPage();
  showFile(page, report);
  if (report.config !== undefined) {
    page.section('Configuration', report.config.format === 'json' ? 'JSON' : 'xl.cfg');
    if (report.config.format === 'cfg') page.block(plain(String(report.config.value)));
    else page.rows(configRows(report.config.value));
  }
  page.section('Records', 'offset, bytes, name');
  page.rows(recordRows(report.records));
  const total = Object.values(report.pageTypes).reduce((sum, n) => sum + n, 0);
  page.section('Pages', `${count(total)} pfns`);
  page.rows(
    Object.entries(report.pageTypes).map(([type, n]) => [
      type,
      n,
      pc.dim(`${((n * PAGE) / MIB).toFixed(n * PAGE < MIB ? 3 : 0)} MiB`),
    ]),
  );
  showGuest(page, report);
  showKernel(page, report.kernel);
  return page.toString();
};
