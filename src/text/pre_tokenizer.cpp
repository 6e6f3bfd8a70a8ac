#include "src/text/pre_tokenizer.h"

#include <algorithm>

#include "src/text/unicode.h"

namespace usam::text {
namespace {

std::string applied(const NormalizerStep& step, std::string_view text) {
  using Kind = NormalizerStep::Kind;
  switch (step.kind) {
    case Kind::kPrepend:
      return step.to + std::string(text);
    case Kind::kReplace:
      return replaced(text, step.from, step.to);
    case Kind::kNfc:
      return normalized_unicode9(OldForm::kNfc, text);
    case Kind::kNfd:
      return normalized_unicode9(OldForm::kNfd, text);
    case Kind::kNfkc:
      return normalized_unicode9(OldForm::kNfkc, text);
    case Kind::kNfkd:
      return normalized_unicode9(OldForm::kNfkd, text);
  }
  return std::string(text);
}

// ASCII is in every normal form.
bool leaves_ascii(const NormalizerStep& step) {
  return step.kind != NormalizerStep::Kind::kPrepend && step.kind != NormalizerStep::Kind::kReplace;
}

struct Part {
  Span span;
  bool is_match = false;
};

// All parts of a text, those between the matches included.
std::vector<Part> parts_of(std::string_view text, const SplitPattern& pattern) {
  std::vector<Part> parts;
  size_t done = 0;
  for (Span match; done < text.size() && pattern.find(text, done, match); done = match.end) {
    if (match.begin > done) parts.push_back({{done, match.begin}, false});
    parts.push_back({match, true});
  }
  if (done < text.size()) parts.push_back({{done, text.size()}, false});
  return parts;
}

// Joins matches to their neighbours as the behaviour says; the second of two matches in a row stays alone, as in HF.
std::vector<Part> merged(std::vector<Part> parts, SplitBehavior behavior) {
  const bool backwards = behavior == SplitBehavior::kMergedWithNext;
  if (backwards) std::reverse(parts.begin(), parts.end());
  std::vector<Part> out;
  bool previous = false;
  for (const Part& part : parts) {
    const bool joins = behavior == SplitBehavior::kContiguous ? part.is_match == previous : part.is_match && !previous;
    previous = part.is_match;
    if (!joins || out.empty()) {
      out.push_back(part);
    } else if (backwards) {
      out.back().span.begin = part.span.begin;
    } else {
      out.back().span.end = part.span.end;
    }
  }
  if (backwards) std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

std::string_view TextNormalizer::operator()(std::string_view text, std::string& buffer) const {
  bool ascii = !steps_.empty() && is_ascii(text);
  for (const NormalizerStep& step : steps_) {
    if ((ascii && leaves_ascii(step)) || text.empty()) continue;
    buffer = applied(step, text);
    text = buffer;
    ascii = is_ascii(text);
  }
  return text;
}

PreTokenizer::PreTokenizer(const std::vector<PreTokenizerStep>& steps) {
  for (const PreTokenizerStep& step : steps)
    steps_.push_back({step, step.kind == PreTokenizerStep::Kind::kSplit ? make_split_pattern(step.split) : nullptr});
}

void PreTokenizer::operator()(std::string_view piece, bool is_first, const Sink& sink) const {
  run(0, piece, is_first, sink);
}

void PreTokenizer::run(size_t step, std::string_view piece, bool is_first, const Sink& sink) const {
  if (piece.empty()) return;
  if (step == steps_.size()) return sink(piece);
  const PreTokenizerStep& spec = steps_[step].spec;
  switch (spec.kind) {
    case PreTokenizerStep::Kind::kSplit:
      return split(step, piece, is_first, sink);
    case PreTokenizerStep::Kind::kSpacePrefix:
      if (piece.starts_with(' ')) return run(step + 1, piece, is_first, sink);
      return run(step + 1, " " + std::string(piece), is_first, sink);
    case PreTokenizerStep::Kind::kMetaspace: {
      std::string text = replaced(piece, " ", spec.replacement);
      const bool wanted = spec.scheme == PrependScheme::kAlways || (spec.scheme == PrependScheme::kFirst && is_first);
      if (wanted && !text.starts_with(spec.replacement)) text = spec.replacement + text;
      return run(step + 1, text, is_first, sink);
    }
  }
}

void PreTokenizer::split(size_t step, std::string_view piece, bool is_first, const Sink& sink) const {
  const SplitStep& spec = steps_[step].spec.split;
  const SplitPattern& pattern = *steps_[step].pattern;
  const auto hand_over = [&](const Span& span) {
    run(step + 1, piece.substr(span.begin, span.end - span.begin), is_first && span.begin == 0, sink);
  };
  if (spec.behavior != SplitBehavior::kIsolated && spec.behavior != SplitBehavior::kRemoved) {
    std::vector<Part> parts = parts_of(piece, pattern);
    if (spec.invert)
      for (Part& part : parts) part.is_match = !part.is_match;
    for (const Part& part : merged(std::move(parts), spec.behavior)) hand_over(part.span);
    return;
  }
  const bool drop_matches = spec.behavior == SplitBehavior::kRemoved && !spec.invert;
  const bool drop_others = spec.behavior == SplitBehavior::kRemoved && spec.invert;
  size_t done = 0;
  for (Span match; done < piece.size() && pattern.find(piece, done, match); done = match.end) {
    if (!drop_others) hand_over({done, match.begin});
    if (!drop_matches) hand_over(match);
  }
  if (!drop_others) hand_over({done, piece.size()});
}

}  // namespace usam::text
