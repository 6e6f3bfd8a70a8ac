#include "tools/generate/answering.h"

#include <deque>
#include <future>
#include <map>

#include "data/audio/decode.h"
#include "data/sources/windows.h"
#include "src/base/error.h"
#include "src/base/thread.h"
#include "src/decode/session.h"
#include "src/decode/text_stream.h"
#include "src/text/merge.h"

namespace usam {
namespace {

// One row as a source, for cutting it into windows.
class OneRow final : public data::Source {
 public:
  explicit OneRow(data::Row row) : row_(std::move(row)) {}
  int64_t size() const override { return 1; }
  data::Row row(int64_t) const override { return row_; }
  double seconds(int64_t) const override { return row_.seconds; }
  std::string name() const override { return row_.audio().shown(); }

 private:
  data::Row row_;
};

// The windows of a clip, or the clip itself. UserError: a file that cannot be read.
std::vector<data::Row> windows_of(data::Row row, const std::optional<eval::WindowConfig>& config) {
  if (!config) return {row};
  if (row.seconds <= 0) row.seconds = data::audio::probe(row.audio()).seconds - row.audio().offset;
  const data::WindowSource windows(std::make_shared<OneRow>(row), config->seconds, config->overlap);
  std::vector<data::Row> rows;
  for (int64_t i = 0; i < windows.size(); ++i) rows.push_back(windows.row(i));
  return rows;
}

// One window on its way to the model.
struct Piece {
  Inputs::Clip clip;  // of the first window alone
  bool is_first = false, is_last = false;
  data::Row row;
  std::future<Clips::Loaded> loaded;
};

class Answering {
 public:
  Answering(recipes::Answers& recipe, const Clips& clips, torch::Device device, Inputs& inputs,
            const AnsweringOptions& options, std::function<void(const ClipAnswer&)> on_answer)
      : recipe_(recipe),
        clips_(clips),
        device_(device),
        inputs_(inputs),
        options_(options),
        on_answer_(std::move(on_answer)),
        rows_each_(std::max(options.search->beams, options.search->n_best)),
        session_(recipe.language_model()),
        pool_(options.threads),
        pieces_(static_cast<size_t>(2 * options.rows)),
        feeder_([this](std::stop_token stop) { feed(stop); }) {}

  ~Answering() {
    inputs_.stop();
    feeder_.request_stop();
  }

  void run() {
    torch::NoGradGuard no_grad;
    do {
      take_in();
      if (!session_.is_idle()) {
        for (auto& finished : session_.step()) finish(finished);
        if (options_.on_text && !session_.is_idle()) options_.on_text(stream_->next(session_.ids_under_way(last_id_)));
      }
      hand_out();
    } while (!session_.is_idle() || !is_at_end_);
  }

 private:
  struct Window {
    std::vector<decode::Hypothesis> hypotheses;
    double seconds = 0;
  };
  struct Going {
    ClipAnswer answer;
    std::deque<Window> windows;  // keep their places in memory
    int64_t missing = 0;
    bool is_whole = false;  // all of its windows have come
  };

  // The feeder's thread: everything up to the model, in order.
  void feed(const std::stop_token& stop) {
    try {
      while (auto clip = inputs_.next()) {
        std::vector<data::Row> rows = {clip->row};
        std::exception_ptr error;
        try {
          rows = windows_of(clip->row, options_.window);
        } catch (const UserError&) {
          error = std::current_exception();
        }
        for (size_t i = 0; i < rows.size(); ++i) {
          Piece piece{i == 0 ? *clip : Inputs::Clip{}, i == 0, i + 1 == rows.size(), rows[i], {}};
          piece.loaded = pool_.submit([this, row = rows[i], error] {
            if (error) std::rethrow_exception(error);
            return clips_.load(row);
          });
          if (!pieces_.push(std::move(piece), stop)) return;
        }
      }
      pieces_.close();
    } catch (...) {
      pieces_.fail(std::current_exception());
    }
  }

  // The next piece that is loaded; waits for it while the model has nothing to do.
  bool has_next() {
    if (!next_ && !is_at_end_ && (session_.is_idle() || pieces_.size() > 0)) {
      next_ = pieces_.pop();
      is_at_end_ = !next_;
    }
    if (!next_) return false;
    return session_.is_idle() || next_->loaded.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

  // Clips join those under way as far as there are rows for them; streamed ones are answered one by one.
  void take_in() {
    std::vector<std::string> keys;
    std::vector<data::Example> examples;
    std::vector<decode::Request> requests;
    const int64_t most = options_.on_text ? rows_each_ : options_.rows;
    while ((session_.size() + std::ssize(requests) + 1) * rows_each_ <= std::max(most, rows_each_)) {
      if (!requests.empty() && session_.is_idle() && !is_ready_at_once()) break;
      if (!has_next()) break;
      auto piece = std::move(*next_);
      next_.reset();
      auto& going = piece.is_first ? going_.emplace_back() : going_.back();
      if (piece.is_first) going.answer.clip = std::move(piece.clip);
      going.is_whole = piece.is_last;
      try {
        auto loaded = piece.loaded.get();
        if (!going.answer.error.empty()) continue;
        going.answer.is_truncated |= loaded.is_truncated;
        going.windows.push_back({{}, loaded.seconds});
        ++going.missing;
        places_[++last_id_] = {&going, &going.windows.back()};
        keys.push_back(piece.row.key);
        examples.push_back(std::move(loaded.example));
        requests.push_back({last_id_, piece.row.key, options_.search});
      } catch (const UserError& e) {
        going.answer.error = e.what();
        break;  // it is told before another one is waited for
      }
      if (options_.on_text) break;
    }
    if (requests.empty()) return;
    const auto rows = recipe_.prompts(clips_.batch(keys, examples).to(device_));
    session_.add(rows.embeds_BTD, rows.lengths_B, requests);
    if (options_.on_text) stream_ = std::make_unique<decode::TextStream>(*options_.search);
  }

  // What has been loaded is not kept waiting for what has not.
  bool is_ready_at_once() {
    if (!next_ && !is_at_end_ && pieces_.size() > 0) next_ = pieces_.pop();
    return next_ && next_->loaded.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

  void finish(decode::Finished& finished) {
    const auto [going, window] = places_.extract(finished.id).mapped();
    if (options_.on_text) options_.on_text(stream_->rest(finished.hypotheses.front().text));
    window->hypotheses = std::move(finished.hypotheses);
    --going->missing;
  }

  // The answers that are complete and before which none is missing.
  void hand_out() {
    while (!going_.empty() && going_.front().is_whole && going_.front().missing == 0) {
      auto& [answer, windows, missing, is_whole] = going_.front();
      std::vector<text::WindowText> texts;
      for (auto& window : windows) {
        texts.push_back({window.hypotheses.front().text, window.seconds});
        answer.windows.push_back(std::move(window.hypotheses));
      }
      if (texts.size() == 1) answer.text = texts.front().text;
      if (texts.size() > 1) answer.text = text::merge_windows(texts, options_.window->overlap);
      on_answer_(answer);
      going_.pop_front();
    }
  }

  recipes::Answers& recipe_;
  const Clips& clips_;
  const torch::Device device_;
  Inputs& inputs_;
  const AnsweringOptions& options_;
  const std::function<void(const ClipAnswer&)> on_answer_;
  const int64_t rows_each_;
  decode::Session session_;
  std::unique_ptr<decode::TextStream> stream_;
  std::deque<Going> going_;  // in the clips' order; keep their places in memory
  std::map<int64_t, std::pair<Going*, Window*>> places_;
  int64_t last_id_ = 0;
  std::optional<Piece> next_;
  bool is_at_end_ = false;

  ThreadPool pool_;
  BoundedQueue<Piece> pieces_;
  std::jthread feeder_;  // last: it uses the above
};

}  // namespace

void answer_all(recipes::Answers& recipe, const Clips& clips, torch::Device device, Inputs& inputs,
                const AnsweringOptions& options, const std::function<void(const ClipAnswer&)>& on_answer) {
  Answering(recipe, clips, device, inputs, options, on_answer).run();
}

}  // namespace usam
