#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ostream>

#include "src/base/error.h"
#include "src/base/text.h"
#include "tools/inspect/data/report.h"

namespace usam::inspect {
namespace {

constexpr int64_t kShown = 20;

std::string listed(const Amounts& amounts) {
  std::vector<std::string> parts;
  for (const auto& [name, amount] : amounts) parts.push_back(fmt::format("{} {}", name, amount.rows));
  return parts.empty() ? "none" : join_words(parts, "and");
}

void write_lengths(const Scan& scan, std::ostream& out) {
  if (scan.lengths.empty()) return;
  const auto [shortest, longest] = std::ranges::minmax_element(scan.lengths);
  const auto rows = std::ssize(scan.lengths);
  out << fmt::format("  audio: {} in {} rows, {:.2f} s on average, {:.2f} to {:.2f} s\n", human_seconds(scan.seconds()),
                     rows, scan.seconds() / static_cast<double>(rows), *shortest, *longest);
  const auto parts = quantiles(scan.lengths);
  out << fmt::format("  lengths: 5 % below {:.2f} s, half below {:.2f} s, 95 % below {:.2f} s\n", parts[0], parts[1],
                     parts[2]);
}

void write_labels(const Scan& scan, std::ostream& out) {
  for (const auto& [group, sums] : scan.labels) {
    const auto& [task, language] = group;
    const auto [commonest, count] = sums.commonest();
    out << fmt::format("  labels of {}{}: {} different", task, language.empty() ? "" : " in " + language,
                       sums.different());
    if (count > 1) out << fmt::format(", the commonest {} times: '{}'", count, commonest);
    out << "\n";
  }
}

void write_kind(const std::string& title, int64_t count, const std::vector<std::string>& sentences, std::ostream& out) {
  if (count == 0) return;
  out << fmt::format("    {}: {}\n", title, count);
  for (int64_t i = 0; i < std::min(std::ssize(sentences), kShown); ++i)
    out << "      " << sentences[static_cast<size_t>(i)] << "\n";
  if (count > kShown) out << fmt::format("      ... and {} more\n", count - kShown);
}

void write_problems(const Scan& scan, std::ostream& out) {
  const int64_t refused = scan.input.refused_count, rejected = scan.rows_found(true), odd = scan.rows_found(false);
  std::vector<std::string> parts;
  if (refused > 0) parts.push_back(fmt::format("{} that cannot be read as rows", refused));
  if (rejected > 0) parts.push_back(fmt::format("{} that should not be used", rejected));
  if (odd > 0) parts.push_back(fmt::format("{} that may be wrong", odd));
  out << "  problems: " << (parts.empty() ? "none" : join_words(parts, "and")) << "\n";
  write_kind("refused", refused, scan.input.refused, out);
  for (int kind = 0; kind < kKinds; ++kind) {
    std::vector<std::string> sentences;
    for (const Finding& finding : scan.findings) {
      if (finding.kind != Kind{kind} || std::ssize(sentences) == kShown) continue;
      sentences.push_back(place_of(scan, finding) + ": " + finding.sentence);
    }
    write_kind(text_of(Kind{kind}).title, scan.counts[static_cast<size_t>(kind)], sentences, out);
  }
}

void write_scan(const Scan& scan, std::ostream& out) {
  out << (scan.input.set.empty() ? "" : scan.input.set + ": ") << scan.input.path << "\n";
  out << fmt::format("  rows: {}\n", scan.rows());
  write_lengths(scan, out);
  out << "  tasks: " << listed(scan.tasks) << "\n";
  if (!scan.languages.empty()) out << "  languages: " << listed(scan.languages) << "\n";
  if (!scan.tags.empty()) out << fmt::format("  tags: {} different\n", scan.tags.size());
  write_labels(scan, out);
  if (scan.depth != AudioDepth::kNone) {
    out << "  sampling rates: " << listed(scan.rates) << "\n";
    out << "  channels: " << listed(scan.channels) << "\n";
    out << "  formats: " << listed(scan.formats) << "\n";
  }
  write_problems(scan, out);
}

void write_batches(const BatchEstimate& e, std::ostream& out) {
  out << "batches of data.train\n";
  if (!e.note.empty()) out << fmt::format("  not estimated{}: {}\n", e.micro_batches > 0 ? ", the tokens" : "", e.note);
  if (e.micro_batches == 0) return;
  out << fmt::format("  micro-batches: {} an epoch, {:.1f} rows in each on average; {} steps on one rank\n",
                     e.micro_batches, static_cast<double>(e.visits) / static_cast<double>(e.micro_batches), e.steps);
  out << fmt::format("  padding: {:.1f} % of the audio, {:.1f} % in the worst micro-batch", 100 * e.padded_seconds,
                     100 * *std::ranges::max_element(e.padding));
  if (std::ssize(e.padding) < e.micro_batches) out << fmt::format(" of {} that were looked at", e.padding.size());
  if (e.has_tokens) out << fmt::format("; {:.1f} % of the tokens", 100 * e.padded_tokens);
  out << "\n";
  if (e.has_tokens)
    out << fmt::format("  tokens: {:.1f} of audio and {:.1f} of text in a row on average, {} at most\n", e.audio_tokens,
                       e.text_tokens, e.most_tokens);
  out << "  largest micro-batch: " << e.longest << "\n";
  out << "  long clips: " << e.long_audio << "\n";
}

}  // namespace

std::vector<double> quantiles(std::vector<float> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  std::vector<double> all;
  for (const double share : {0.05, 0.5, 0.95})
    all.push_back(values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)]);
  return all;
}

std::string place_of(const Scan& scan, const Finding& finding) {
  const std::string place = scan.input.source->place(finding.row);
  try {
    return place + ": " + scan.input.source->row(finding.row).key;
  } catch (const UserError&) {
    return place;  // the manifest has changed
  }
}

void write_text(const DataReport& report, std::ostream& out) {
  for (const Scan& scan : report.scans) write_scan(scan, out);
  if (!report.styles.empty()) out << "labels are written in different ways\n";
  for (const auto& sentence : report.styles) out << "  " << sentence << "\n";
  if (report.batches) write_batches(*report.batches, out);
}

}  // namespace usam::inspect
