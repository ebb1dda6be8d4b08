#include <map>

#include "tools/inspect/inspection.h"
#include "weights/base/json_writer.h"

namespace linnet::tools {
namespace {

void write_model(json::Writer& out, const ModelInspection& found) {
  const ModelDescription& d = found.description;
  out.key("model").begin_object();
  out.key("type").string(d.common.model_type).key("head").string(name(d.head));
  out.key("layers").integer(d.layers);
  out.key("width").integer(d.width).key("feed_forward").integer(found.feed_forward);
  out.key("head_width").integer(found.head_width).key("heads").begin_array();
  for (const std::int64_t heads : found.heads) out.integer(heads);
  out.end_array();
  out.key("vocabulary").integer(d.vocab_size);
  out.key("positions").integer(d.positions);
  out.key("token_types").integer(found.token_types);
  out.key("labels").begin_array();
  if (d.head != HeadKind::kBase) {
    for (const std::string& label : d.common.labels) out.string(label);
  }
  out.end_array().key("max_length");
  found.max_length ? out.integer(*found.max_length) : out.null();
  out.key("embedding_dimensions");
  found.sentence ? out.integer(found.sentence->dimensions(d.width)) : out.null();
  out.end_object();
}

void write_tokenizer(json::Writer& out, const tokenizer::Tokenizer& t) {
  const tokenizer::Facts& facts = t.facts();
  out.key("tokenizer").begin_object();
  out.key("model").string(facts.model).key("lowercase").boolean(facts.lowercase);
  out.key("vocab_size").integer(t.vocab_size());
  out.key("added_tokens").integer(static_cast<std::int64_t>(t.added_tokens().size()));
  out.key("special_tokens_added").integer(t.added_specials());
  out.key("special_tokens_added_to_pairs").integer(t.added_specials_pair());
  out.key("model_max_length");
  facts.model_max_length ? out.integer(*facts.model_max_length) : out.null();
  out.key("recorded_truncation").boolean(facts.truncation.has_value());
  out.key("recorded_padding").boolean(facts.padding.has_value());
  out.end_object();
}

void write_tensors(json::Writer& out, const Inspection& inspection) {
  std::map<std::string_view, const weights::NameAccount*> accounts;
  if (inspection.model) {
    for (const auto& a : inspection.model->account) accounts.emplace(a.original, &a);
  }
  out.key("tensors").begin_array();
  for (const weights::TensorView& t : inspection.checkpoint.tensors()) {
    out.begin_object().key("name").string(t.name).key("dtype").string(weights::name(t.dtype));
    out.key("shape").begin_array();
    for (const std::int64_t n : t.shape) out.integer(n);
    out.end_array().key("bytes").integer(static_cast<std::int64_t>(t.bytes.size()));
    if (const auto found = accounts.find(t.name); found != accounts.end()) {
      out.key("canonical_name").string(found->second->name);
      out.key("fate").string(name(found->second->fate));
    }
    out.end_object();
  }
  out.end_array();
}

void write_list(json::Writer& out, const char* key, const std::vector<std::string>& texts) {
  out.key(key).begin_array();
  for (const std::string& text : texts) out.string(text);
  out.end_array();
}

}  // namespace

std::string inspection_json(const Inspection& inspection) {
  const weights::Checkpoint& checkpoint = inspection.checkpoint;
  json::Writer out;
  out.begin_object().key("schema").string("linnet.inspect.1");
  out.key("directory").string(checkpoint.directory().name());
  if (inspection.model) write_model(out, *inspection.model);
  if (inspection.tokenizer) write_tokenizer(out, *inspection.tokenizer);
  out.key("parameters").integer(parameter_count(checkpoint));
  out.key("files").begin_array();
  for (const weights::Safetensors& file : checkpoint.files()) {
    out.begin_object().key("name").string(file.file().name());
    out.key("bytes").integer(static_cast<std::int64_t>(file.file().bytes().size()));
    out.key("tensors").integer(static_cast<std::int64_t>(file.tensors().size())).end_object();
  }
  out.end_array();
  if (inspection.model) {
    const ModelInspection& model = *inspection.model;
    out.key("memory").begin_object();
    out.key("parameter_bytes").integer(model.parameter_bytes);
    out.key("embedding_bytes").integer(model.embedding_bytes);
    out.key("session_bytes").integer(model.session_bytes);
    out.key("cache_bytes").integer(model.cache_bytes);
    out.key("total_bytes").integer(model.total_bytes()).end_object();
  }
  write_tensors(out, inspection);
  write_list(out, "warnings", inspection.warnings);
  write_list(out, "problems", inspection.problems);
  return std::move(out.end_object()).text() + "\n";
}

}  // namespace linnet::tools
