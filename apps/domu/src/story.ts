import type { Trace } from '@port-xen/sim';
import pc from 'picocolors';

/** One line of what happened: when, who, what. */
export const storyLine = (time_ns: number, subsystem: string, text: string): string =>
  `${pc.dim(`${(time_ns / 1e6).toFixed(3).padStart(12)} ms`)}  ${pc.cyan(subsystem.padEnd(12))} ${text}`;

/** Lines that a log keeps. */
const LINES_MAX = 1000;

/** The last lines of a world's story, as `xl dmesg` shows a hypervisor's. */
export class StoryLog {
  readonly lines: string[] = [];

  constructor(trace: Trace) {
    trace.listenToStory((time_ns, subsystem, text) => {
      this.lines.push(`[${(time_ns / 1e9).toFixed(6).padStart(13)}] ${subsystem}: ${text}`);
      if (this.lines.length > LINES_MAX) this.lines.shift();
    });
  }
}
