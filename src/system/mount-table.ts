/** One line of /proc/<pid>/mountinfo, see proc_pid_mountinfo(5). */
export interface MountLine {
  /** "8:1"; "0:52" for file systems without a block device of their own, such as FUSE or Btrfs. */
  device: string;
  /** Part of the file system that is mounted here: "/" but for bind mounts. */
  root: string;
  mountPoint: string;
  readOnly: boolean;
  fsType: string;
  /** "/dev/sda1", or whatever the file system calls its source. */
  source: string;
}

/**
 * The mounts that can be reached, from the text of mountinfo. A later mount on the same point hides an earlier one.
 * Lines that are not understood are left out.
 */
export function parseMountInfo(text: string, maxLines: number): MountLine[] {
  const byPoint = new Map<string, MountLine>();
  for (const line of text.split('\n', maxLines)) {
    const mount = parseLine(line);
    if (mount !== null) byPoint.set(mount.mountPoint, mount);
  }
  return [...byPoint.values()];
}

function parseLine(line: string): MountLine | null {
  const fields = line.split(' ');
  const dash = fields.indexOf('-', 6);
  const [, , device, root, mountPoint, options] = fields;
  const [fsType, source, superOptions] = dash < 0 ? [] : fields.slice(dash + 1);
  if (!device || !root || !mountPoint || !options || !fsType || source === undefined) return null;
  const readOnly = [options, superOptions ?? ''].some((list) => list.split(',').includes('ro'));
  return {
    device,
    root: octalDecoded(root),
    mountPoint: octalDecoded(mountPoint),
    readOnly,
    fsType,
    source: octalDecoded(source),
  };
}

/** The kernel writes blank, tab, line feed and backslash as three octal digits, byte by byte. */
function octalDecoded(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
