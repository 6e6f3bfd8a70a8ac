#include "tools/serve/engine.h"

namespace usam::serve {

Ticket::News Ticket::wait(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this] { return is_over_ || !text_.empty(); });
  News news{std::move(text_), is_over_};
  text_.clear();
  if (is_over_ && error_) std::rethrow_exception(error_);
  return news;
}

void Ticket::tell(const std::string& text) {
  if (text.empty()) return;
  const std::lock_guard lock(mutex_);
  text_ += text;
  changed_.notify_all();
}

void Ticket::finish(std::vector<decode::Hypothesis> hypotheses) {
  const std::lock_guard lock(mutex_);
  hypotheses_ = std::move(hypotheses);
  is_over_ = true;
  changed_.notify_all();
}

void Ticket::fail(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  error_ = error;
  is_over_ = true;
  changed_.notify_all();
}

Engine::Engine(recipes::Answers& answers, const Clips& clips, torch::Device device, int64_t most_rows,
               Counters& counters)
    : answers_(answers),
      clips_(clips),
      device_(device),
      most_rows_(most_rows),
      counters_(counters),
      session_(std::make_unique<decode::Session>(answers.language_model())),
      thread_([this] { run(); }) {}

Engine::~Engine() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
}

std::shared_ptr<Ticket> Engine::ask(Question question) {
  auto ticket = std::make_shared<Ticket>();
  const std::lock_guard lock(mutex_);
  fresh_.push_back({std::move(question), ticket, nullptr});
  changed_.notify_all();
  return ticket;
}

std::future<Json> Engine::explain(data::Example example) {
  std::packaged_task<Json()> task([this, example = std::move(example)] {
    return answers_.explain(clips_.batch({"explained"}, {example}).to(device_)).at(0);
  });
  auto future = task.get_future();
  const std::lock_guard lock(mutex_);
  explaining_.push_back(std::move(task));
  changed_.notify_all();
  return future;
}

void Engine::run() {
  torch::NoGradGuard no_grad;
  while (true) {
    std::packaged_task<Json()> explaining;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock,
                    [this] { return is_stopping_ || !fresh_.empty() || !explaining_.empty() || !going_.empty(); });
      if (is_stopping_) break;
      if (!explaining_.empty()) {
        explaining = std::move(explaining_.front());
        explaining_.pop_front();
      }
    }
    if (explaining.valid()) explaining();
    drop_given_up();
    take_in(take_new());
    if (!going_.empty()) step();
    counters_.rows = rows_;
  }
  fail_all(std::make_exception_ptr(std::runtime_error("the server stopped before the answer was complete")));
}

// Those that have come and that there are rows for.
std::vector<Engine::Going> Engine::take_new() {
  std::vector<Going> taken;
  int64_t rows = rows_;
  const std::lock_guard lock(mutex_);
  while (!fresh_.empty()) {
    const int64_t wanted = rows_of(*fresh_.front().question.options);
    if (!fresh_.front().ticket->is_given_up_) {
      if (rows > 0 && rows + wanted > most_rows_) break;
      rows += wanted;
      taken.push_back(std::move(fresh_.front()));
    }
    fresh_.pop_front();
  }
  return taken;
}

// Questions join those under way. Where several cannot be heard together each is by itself, so that one does not fail
// its neighbours.
void Engine::take_in(std::vector<Going> fresh) {
  if (fresh.empty()) return;
  recipes::PromptRows heard;
  std::vector<int64_t> lengths;
  try {
    std::vector<std::string> keys;
    std::vector<data::Example> examples;
    for (const auto& one : fresh) keys.push_back(one.question.key), examples.push_back(one.question.example);
    heard = answers_.prompts(clips_.batch(keys, examples).to(device_));
    const auto host = heard.lengths_B.cpu();
    lengths.assign(host.data_ptr<int64_t>(), host.data_ptr<int64_t>() + host.numel());
  } catch (...) {
    if (fresh.size() == 1) {
      fresh.front().ticket->fail(std::current_exception());
      return;
    }
    for (auto& one : fresh) {
      std::vector<Going> alone;
      alone.push_back(std::move(one));
      take_in(std::move(alone));
    }
    return;
  }
  std::vector<decode::Request> requests;
  for (size_t i = 0; i < fresh.size(); ++i) {
    auto& one = fresh[i];
    one.question.example.clear();
    one.question.place.reset();
    one.ticket->prompt_tokens_ = lengths[i];
    if (one.question.is_streamed) one.stream = std::make_unique<decode::TextStream>(*one.question.options);
    rows_ += rows_of(*one.question.options);
    requests.push_back({++last_id_, one.question.key, one.question.options});
    going_.emplace(last_id_, std::move(one));
  }
  try {
    session_->add(heard.embeds_BTD, heard.lengths_B, requests);
  } catch (...) {
    fail_all(std::current_exception());
  }
}

void Engine::drop_given_up() {
  for (auto it = going_.begin(); it != going_.end();) {
    const auto& [id, one] = *it;
    if (!one.ticket->is_given_up_) {
      ++it;
      continue;
    }
    session_->cancel(id);
    rows_ -= rows_of(*one.question.options);
    it = going_.erase(it);
  }
}

void Engine::step() {
  try {
    const auto finished = session_->step();
    counters_.steps += 1;
    for (const auto& [id, hypotheses] : finished) {
      auto one = std::move(going_.extract(id).mapped());
      rows_ -= rows_of(*one.question.options);
      for (const auto& hypothesis : hypotheses) counters_.tokens += std::ssize(hypothesis.ids);
      if (one.stream) one.ticket->tell(one.stream->rest(hypotheses.front().text));
      one.ticket->finish(hypotheses);
    }
    for (const auto& [id, one] : going_)
      if (one.stream) one.ticket->tell(one.stream->next(session_->ids_under_way(id)));
  } catch (...) {
    fail_all(std::current_exception());
  }
}

// A session that threw may be half changed: its questions end, and the next ones get a new one.
void Engine::fail_all(std::exception_ptr error) {
  for (auto& [id, one] : going_) one.ticket->fail(error);
  going_.clear();
  rows_ = 0;
  session_ = std::make_unique<decode::Session>(answers_.language_model());
  const std::lock_guard lock(mutex_);
  if (!is_stopping_) return;
  for (auto& one : fresh_) one.ticket->fail(error);
  fresh_.clear();
  explaining_.clear();
}

}  // namespace usam::serve
