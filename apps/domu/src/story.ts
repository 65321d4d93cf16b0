import pc from 'picocolors';

/** One line of what happened: when, who, what. */
export const storyLine = (time_ns: number, subsystem: string, text: string): string =>
  `${pc.dim(`${(time_ns / 1e6).toFixed(3).padStart(12)} ms`)}  ${pc.cyan(subsystem.padEnd(12))} ${text}`;
