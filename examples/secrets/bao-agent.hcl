# An agent of OpenBao (or Vault) keeps the exporter's secrets in files: bao agent -config=bao-agent.hcl
# It replaces a file as a whole, and the exporter reads it at each token exchange: a rotation needs neither reload nor restart.
vault {
  address = "https://bao.example.com:8200"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/etc/bao-agent/role-id"
      secret_id_file_path                 = "/etc/bao-agent/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

template_config {
  # How late a rotation is noticed: the old secret has to be good for a little longer than that.
  static_secret_render_interval = "1m"
}

template {
  contents             = "{{ with secret \"secret/data/csp/acme\" }}{{ .Data.data.client_secret }}{{ end }}"
  destination          = "/run/secrets/acme"
  perms                = "0640"
  error_on_missing_key = true
}
