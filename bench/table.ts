import { type Goal, met, type Report, round, type Table } from './suite.ts';

/** A report as text: goals first, then tables (ratios stand in their first columns). */
export function renderReport(name: string, report: Report): string {
  const goals = report.goals.map((goal) => ({
    promise: goal.name,
    measured: round(goal.measured),
    limit: limitOf(goal),
    unit: goal.unit,
    met: met(goal) ? 'yes' : 'NO',
  }));
  const parts = [`# ${name}`, ...(goals.length > 0 ? [renderTable({ title: 'promises', rows: goals })] : [])];
  parts.push(...report.tables.map(renderTable), ...report.missing.map((each) => `not measured: ${each}`));
  return `${parts.join('\n\n')}\n`;
}

function limitOf(goal: Goal): string {
  return goal.atLeast === undefined ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`;
}

function renderTable(table: Table): string {
  const columns = [...new Set(table.rows.flatMap((row) => Object.keys(row)))];
  const cells = [columns, ...table.rows.map((row) => columns.map((column) => String(row[column] ?? '')))];
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const lines = cells.map((row) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`);
  lines.splice(1, 0, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
  return [table.title, '', ...lines].join('\n');
}
