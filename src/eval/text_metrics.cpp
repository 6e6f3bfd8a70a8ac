// Metrics over texts: error rates, BLEU, chrF, ROUGE-L, METEOR of exact matches.
#include <limits>

#include "src/base/error.h"
#include "src/eval/metric.h"
#include "src/text/caption_metrics.h"
#include "src/text/chrf.h"

namespace usam::eval {
namespace {

// The release whose results these are; a parity test compares the strings with that release's own.
constexpr const char* kSacrebleu = "2.6.0";

double first_over_second(const std::array<double, 2>& sums) {
  return sums[1] == 0 ? std::numeric_limits<double>::quiet_NaN() : sums[0] / sums[1];
}

// Errors of each sample over `whole` of its edits; samples without a reference count nothing.
template <class WholeOf>
Value rate_of(const std::vector<text::Edits>& edits, WholeOf whole_of) {
  std::vector<std::array<double, 2>> rows;
  for (const text::Edits& e : edits) {
    if (e.reference_length() == 0) {
      rows.push_back({0, 0});
    } else {
      rows.push_back({static_cast<double>(e.errors()), static_cast<double>(whole_of(e))});
    }
  }
  return ratio_of_sums(std::move(rows));
}

Value wer(const Samples& samples, Json& out) {
  const auto edits = sample_edits(samples.pairs, text::Unit::kWord);
  const text::ErrorRate rate = error_rate(edits);
  out["wer_mean_of_utterances"] = rate.mean_of_utterances;
  out["hits"] = rate.edits.hits;
  out["substitutions"] = rate.edits.substitutions;
  out["deletions"] = rate.edits.deletions;
  out["insertions"] = rate.edits.insertions;
  out["reference_words"] = rate.edits.reference_length();
  out["empty_references"] = rate.empty_references;
  return rate_of(edits, [](const text::Edits& e) { return e.reference_length(); });
}

Value cer(const Samples& samples, Json& out) {
  const auto edits = sample_edits(samples.pairs, text::Unit::kCharacter);
  const text::ErrorRate rate = error_rate(edits);
  out["cer_mean_of_utterances"] = rate.mean_of_utterances;
  out["character_hits"] = rate.edits.hits;
  out["character_substitutions"] = rate.edits.substitutions;
  out["character_deletions"] = rate.edits.deletions;
  out["character_insertions"] = rate.edits.insertions;
  out["reference_characters"] = rate.edits.reference_length();
  return rate_of(edits, [](const text::Edits& e) { return e.reference_length(); });
}

Value mer(const Samples& samples, Json& out) {
  const auto edits = sample_edits(samples.pairs, text::Unit::kWord);
  out["mer_mean_of_utterances"] = error_rate(edits).match_mean_of_utterances;
  return rate_of(edits, [](const text::Edits& e) { return e.hits + e.errors(); });
}

text::TextPair raw_pair(const Hypothesis& h) {
  return {h.references, *h.answer};
}

// "nrefs:1" or "nrefs:var", as sacrebleu's signatures begin.
std::string reference_count(const Samples& samples) {
  const size_t count = samples.lines.front()->references.size();
  for (const Hypothesis* h : samples.lines)
    if (h->references.size() != count) return "nrefs:var";
  return fmt::format("nrefs:{}", count);
}

Value bleu(const Samples& samples, Json& out) {
  std::vector<text::BleuStatistics> rows;
  for (const Hypothesis* h : samples.lines) rows.push_back(bleu_statistics(raw_pair(*h), samples.bleu_tokens));
  text::BleuStatistics sums = {};
  for (const auto& row : rows)
    for (size_t n = 0; n < sums.size(); ++n) sums[n] += row[n];
  const text::Bleu all = text::bleu(sums);
  out["bleu_precisions"] = all.precisions;
  out["bleu_brevity_penalty"] = all.brevity_penalty;
  out["bleu_hypothesis_words"] = all.hypothesis_length;
  out["bleu_reference_words"] = all.reference_length;
  out["bleu_signature"] = fmt::format("{}|case:mixed|eff:no|tok:{}|smooth:exp|version:{}", reference_count(samples),
                                      name_of(samples.bleu_tokens), kSacrebleu);
  return of_sums<std::tuple_size_v<text::BleuStatistics>>(
      std::move(rows), [](const text::BleuStatistics& sum) { return text::bleu(sum).value; });
}

Value chrf(const Samples& samples, Json& out) {
  std::vector<text::ChrfStatistics> rows;
  for (const Hypothesis* h : samples.lines) rows.push_back(chrf_statistics(raw_pair(*h)));
  out["chrf_signature"] =
      fmt::format("{}|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{}", reference_count(samples), kSacrebleu);
  return of_sums<std::tuple_size_v<text::ChrfStatistics>>(std::move(rows), text::chrf);
}

Value rouge_l(const Samples& samples, Json&) {
  std::vector<double> values;
  for (const Hypothesis* h : samples.lines) values.push_back(text::rouge_l(raw_pair(*h)));
  return mean_of(values);
}

Value meteor_exact(const Samples& samples, Json&) {
  std::vector<double> values;
  for (const text::TextPair& pair : samples.pairs) values.push_back(text::meteor_exact(pair));
  return mean_of(values);
}

}  // namespace

Value ratio_of_sums(std::vector<std::array<double, 2>> rows) {
  return of_sums<2>(std::move(rows), first_over_second);
}

Value mean_of(const std::vector<double>& values) {
  std::vector<std::array<double, 2>> rows;
  for (const double value : values) rows.push_back({value, 1});
  return ratio_of_sums(std::move(rows));
}

std::vector<Metric> error_rate_metrics() {
  return {{"wer", false, true, wer}, {"cer", false, true, cer}, {"mer", false, true, mer}};
}

std::vector<Metric> text_metrics() {
  return {{"bleu", false, false, bleu},
          {"chrf", false, false, chrf},
          {"rouge_l", false, false, rouge_l},
          {"meteor_exact", false, false, meteor_exact}};
}

}  // namespace usam::eval
